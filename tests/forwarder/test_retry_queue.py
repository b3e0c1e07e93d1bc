"""The queue is bounded and in order; breakers open, back off and close."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serverless_instrument.forwarder.batch import Export
from serverless_instrument.forwarder.retry_queue import Breaker, RetryQueue

ROOM = 1 << 30


def export(number: int, size_bytes: int = 10, signal: str = "traces", count: int = 1) -> Export:
    return Export(signal, number.to_bytes(4, "big").rjust(size_bytes, b"\0"), count)


def numbers(exports: list[Export]) -> list[int]:
    return [int.from_bytes(e.body[-4:], "big") for e in exports]


def test_everything_is_taken_in_order_of_arrival() -> None:
    queue = RetryQueue()
    assert not queue
    for number in range(3):
        queue.add(export(number))
    assert queue
    assert queue.size_bytes == 30
    assert numbers(queue.take(0.0, ROOM)) == [0, 1, 2]
    assert not queue
    assert (queue.size_bytes, queue.dropped) == (0, 0)


def test_the_oldest_are_dropped_and_their_items_counted() -> None:
    queue = RetryQueue(limit_bytes=25)
    for number in range(5):
        queue.add(export(number, count=7))
    assert queue.dropped == 21
    assert queue.size_bytes == 20
    assert numbers(queue.take(0.0, ROOM)) == [3, 4]


def test_an_export_larger_than_the_limit_is_dropped() -> None:
    queue = RetryQueue(limit_bytes=25)
    queue.add(export(0))
    queue.add(export(1, size_bytes=26))
    assert (queue.dropped, queue.size_bytes, bool(queue)) == (2, 0, False)


def test_what_comes_back_takes_its_old_place() -> None:
    queue = RetryQueue()
    for number in range(4):
        queue.add(export(number))
    first = queue.take(0.0, ROOM)
    queue.add(export(4))
    for one in (first[2], first[0], first[3], first[1]):
        queue.failed(one, 0.0, 1.0, None)
    assert numbers(queue.take(9.0, ROOM)) == [0, 1, 2, 3, 4]


def test_what_comes_back_is_the_first_to_be_dropped() -> None:
    queue = RetryQueue(limit_bytes=25)
    queue.add(export(0))
    (old,) = queue.take(0.0, ROOM)
    queue.add(export(1))
    queue.add(export(2))
    queue.failed(old, 0.0, 1.0, None)
    assert queue.dropped == 1
    assert numbers(queue.take(9.0, ROOM)) == [1, 2]


@pytest.mark.parametrize(("room_bytes", "taken"), [(0, 0), (-5, 0), (1, 1), (10, 1), (11, 2)])
def test_no_more_is_taken_than_there_is_room_for(room_bytes: int, taken: int) -> None:
    queue = RetryQueue()
    for number in range(3):
        queue.add(export(number))
    assert numbers(queue.take(0.0, room_bytes)) == list(range(taken))
    assert queue.size_bytes == 10 * (3 - taken)
    assert numbers(queue.take(0.0, ROOM)) == list(range(taken, 3))


def test_a_failure_holds_the_signal_back_and_no_other() -> None:
    queue = RetryQueue()
    queue.failed(export(0), 100.0, 1.0, None)
    queue.add(export(1, signal="logs"))
    queue.add(export(2))
    assert numbers(queue.take(100.9, ROOM)) == [1]
    assert numbers(queue.take(101.0, ROOM)) == [0, 2]


def test_insisting_ignores_the_breaker() -> None:
    queue = RetryQueue()
    queue.failed(export(0), 100.0, 1.0, 3600)
    assert queue.take(100.0, ROOM) == []
    assert numbers(queue.take(100.0, ROOM, insist=True)) == [0]


def test_a_delivery_closes_the_signals_breaker_and_no_other() -> None:
    queue = RetryQueue()
    queue.failed(export(0), 100.0, 1.0, None)
    queue.failed(export(1, signal="logs"), 100.0, 1.0, None)
    queue.delivered(export(2))
    assert numbers(queue.take(100.0, ROOM)) == [0]


def test_backoff_doubles_up_to_a_minute_and_starts_again_after_a_delivery() -> None:
    breaker, now_s, waits_s = Breaker(), 0.0, []
    for _ in range(8):
        breaker.failed(now_s, 1.0, None)
        waits_s.append(breaker.open_until_s - now_s)
        now_s = breaker.open_until_s
    assert waits_s == [1, 2, 4, 8, 16, 32, 60, 60]
    queue = RetryQueue()
    queue.failed(export(0), 0.0, 1.0, None)
    (again,) = queue.take(1.0, ROOM)
    queue.failed(again, 1.0, 1.0, None)
    assert queue.take(2.9, ROOM) == []
    queue.delivered(again)
    queue.failed(queue.take(2.9, ROOM)[0], 2.9, 1.0, None)
    assert numbers(queue.take(3.9, ROOM)) == [0]


def test_failures_of_one_attempt_are_one_failure() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(10.0, 1.0, None)
    assert breaker.open_until_s == 11.0


@given(st.floats(0, 1))
def test_jitter_takes_at_most_half_of_the_wait(random: float) -> None:
    breaker = Breaker()
    breaker.failed(0.0, random, None)
    assert 0.5 <= breaker.open_until_s <= 1.0


@pytest.mark.parametrize(("retry_after_s", "open_until_s"), [(30.0, 40.0), (0.0, 11.0)])
def test_what_the_backend_asks_for_is_the_least(retry_after_s: float, open_until_s: float) -> None:
    breaker = Breaker()
    breaker.failed(10.0, 1.0, retry_after_s)
    assert breaker.open_until_s == open_until_s
    breaker.failed(10.0, 0.0, None)
    assert breaker.open_until_s == open_until_s


class Queue(RuleBasedStateMachine):
    """Nothing is lost but what is counted, whatever happens in which order."""

    LIMIT_BYTES = 60

    def __init__(self) -> None:
        super().__init__()
        self.queue = RetryQueue(self.LIMIT_BYTES)
        self.now_s = 0.0
        self.added = 0
        self.delivered = 0
        self.out: list[Export] = []

    @rule(size_bytes=st.integers(4, 30), signal=st.sampled_from(["traces", "logs"]))
    def add(self, size_bytes: int, signal: str) -> None:
        self.added += 1
        self.queue.add(export(self.added, size_bytes, signal))

    @rule(room_bytes=st.integers(0, 80), insist=st.booleans())
    def take(self, room_bytes: int, *, insist: bool) -> None:
        taken = self.queue.take(self.now_s, room_bytes, insist=insist)
        assert numbers(taken) == sorted(numbers(taken))
        assert sum(len(e.body) for e in taken[:-1]) < max(room_bytes, 1)
        self.out += taken

    @precondition(lambda self: self.out)
    @rule(data=st.data(), random=st.floats(0, 1), retry_after_s=st.none() | st.floats(0, 100))
    def fail(self, data: st.DataObject, random: float, retry_after_s: float | None) -> None:
        one = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.queue.failed(one, self.now_s, random, retry_after_s)
        others = self.queue.take(self.now_s, ROOM)
        assert one.signal not in {other.signal for other in others}
        self.out += others

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        one = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.queue.delivered(one)
        self.delivered += 1

    @rule(passed_s=st.floats(0, 100))
    def wait(self, passed_s: float) -> None:
        self.now_s += passed_s

    @invariant()
    def bounded(self) -> None:
        assert 0 <= self.queue.size_bytes <= self.LIMIT_BYTES

    def teardown(self) -> None:
        rest = self.queue.take(self.now_s, ROOM, insist=True)
        total = len(rest) + len(self.out) + self.delivered + self.queue.dropped
        assert total == self.added
        assert self.queue.size_bytes == 0


TestQueue = Queue.TestCase
