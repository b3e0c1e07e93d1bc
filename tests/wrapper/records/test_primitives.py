"""What is taken of the interpreter before a function can change it."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.wrapper.records import primitives
from serverless_instrument.wrapper.records.primitives import RandomBytes

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_NS = 1_800_000_000_000_000_000


class Kernel:
    """Random bytes, and how many were asked for each time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, size_bytes: int) -> bytes:
        self.sizes.append(size_bytes)
        return os.urandom(size_bytes)


def test_nothing_is_read_ahead_before_the_first_invocation() -> None:
    kernel = Kernel()
    ids = RandomBytes(kernel)
    assert [len(ids(size)) for size in (8, 16, 5)] == [8, 16, 5]
    assert kernel.sizes == [8, 8, 8, 5]


def test_ids_are_read_ahead_and_never_given_twice() -> None:
    kernel = Kernel()
    ids = RandomBytes(kernel)
    ids.reads_ahead = True
    found = [ids(8) for _ in range(1000)] + [ids(16)[:8] for _ in range(1000)]
    assert len(set(found)) == 2000
    assert kernel.sizes == [4096] * 6


def test_what_was_read_ahead_is_dropped_at_a_fork() -> None:
    kernel = Kernel()
    ids = RandomBytes(kernel)
    ids.reads_ahead = True
    ids(8)
    ids.drop()
    ids(8)
    assert kernel.sizes == [4096] * 2


def test_threads_get_different_ids() -> None:
    ids = RandomBytes()
    ids.reads_ahead = True
    found: list[list[bytes]] = [[] for _ in range(4)]

    def draw(into: list[bytes]) -> None:
        into.extend(ids(8) for _ in range(5000))

    threads = [threading.Thread(target=draw, args=(each,)) for each in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each for into in found for each in into}) == 20_000


def test_a_seed_changes_no_id_and_no_id_a_sequence() -> None:
    random.seed(42)
    first, drawn = primitives.random_bytes(8), random.random()
    random.seed(42)
    assert primitives.random_bytes(8) != first
    assert random.random() == drawn


@pytest.mark.parametrize("clock", ["time_ns", "monotonic"])
def test_a_clock_that_is_replaced_by_identity_is_none_of_ours(
    clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As freezegun does: wherever a loaded module has the function itself."""
    real: Callable[[], float] = getattr(time, clock)
    assert real not in vars(primitives).values()
    monkeypatch.setattr(time, clock, lambda: 1)
    assert getattr(primitives, clock)() > 1


@pytest.mark.parametrize(
    ("dated_ns", "patched_s", "expected_ns"),
    [
        (NOW_NS - 400_000_000, NOW_NS / 1e9, NOW_NS - 400_000_000),
        # An old record, which was held back; and one that a frozen clock dates.
        (NOW_NS - 3_600_000_000_000, NOW_NS / 1e9, NOW_NS - 3_600_000_000_000),
        (1_000_000_000_000_000_000, 1_000_000_000.0, NOW_NS),
        (999_999_000_000_000_000, 1_000_000_000.0, NOW_NS - 1_000_000_000_000),
    ],
)
def test_a_time_by_a_replaced_clock_is_corrected(
    dated_ns: int, patched_s: float, expected_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: patched_s)
    assert primitives.dated_by_the_clock(dated_ns, NOW_NS) == expected_ns
