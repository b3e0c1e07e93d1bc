"""What is told when an invocation's time is nearly up."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from serverless_instrument import wire
from serverless_instrument.wrapper.deadline import DeadlineWatch, stack_of
from serverless_instrument.wrapper.own_descriptor import OwnSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 20
WORD = wire.frame(wire.DEADLINE, b"")


class Pair:
    """A watched connection, its peer, and how often the word came."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair()
        self.near = OwnSocket(near.detach())
        self.told = threading.Semaphore(0)
        self.watch = DeadlineWatch(self.told.release)

    def heard(self, timeout_s: float = TIMEOUT_S) -> bool:
        return self.told.acquire(timeout=timeout_s)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.near.close()
    made.far.close()


def test_the_word_is_heard_each_time_and_in_any_split(pair: Pair) -> None:
    for _ in range(3):
        pair.watch.watch(pair.near)
    for part in (WORD, WORD[:3], WORD[3:], WORD * 2):
        pair.far.sendall(part)
    for _ in range(4):
        assert pair.heard()
    assert not pair.heard(0.05)


def test_another_word_is_none_and_nonsense_ends_the_watch(pair: Pair) -> None:
    pair.watch.watch(pair.near)
    pair.far.sendall(wire.frame(wire.END, b"") + WORD)
    assert pair.heard()
    pair.far.sendall(b"nonsense" + WORD)
    assert not pair.heard(0.05)


def test_a_new_connection_is_watched_as_well(pair: Pair) -> None:
    pair.watch.watch(pair.near)
    other = Pair()
    pair.watch.watch(other.near)
    other.far.sendall(WORD)
    assert pair.heard()
    other.near.close()
    other.far.close()


def test_without_a_connection_there_is_nothing_to_watch(pair: Pair) -> None:
    pair.watch.watch(None)
    pair.watch.watch(pair.near)
    pair.far.sendall(WORD)
    assert pair.heard()


def test_a_stack_begins_below_the_boundary() -> None:
    entered, leave = threading.Event(), threading.Event()

    def innermost() -> None:
        entered.set()
        leave.wait(TIMEOUT_S)

    thread = threading.Thread(target=innermost)
    thread.start()
    assert entered.wait(TIMEOUT_S)
    assert thread.ident is not None
    whole = stack_of(thread.ident, "no such file")
    below = stack_of(thread.ident, threading.__file__)
    inside = stack_of(thread.ident, __file__)
    leave.set()
    thread.join()
    assert "_bootstrap" in whole
    assert "innermost" in whole
    # threading's own wait is the innermost of that file: nothing is below it.
    assert below == ""
    assert "innermost" not in inside
    assert "wait" in inside
    assert stack_of(thread.ident, "") == "" or thread.ident == threading.get_ident()
