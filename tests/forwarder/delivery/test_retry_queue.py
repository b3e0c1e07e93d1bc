"""Bounded, in order, fair between signals, one request at a time for each destination."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serverless_instrument.forwarder.delivery.batch import MAX_REQUEST_BYTES
from serverless_instrument.forwarder.delivery.retry_queue import NEVER, RetryQueue, join_exports
from serverless_instrument.forwarder.exporter.export import Export

MIB = 1024 * 1024


def export(number: int, size_bytes: int = 4, signal: str = "traces", route: str = "") -> Export:
    """One whose body is `number`, four bytes, as often as there is room."""
    return Export(signal, number.to_bytes(4, "big") * (size_bytes // 4), 1, route)


def numbers(exports: list[Export]) -> list[int]:
    """What `exports` hold, each once; an export's numbers stand together."""
    found: list[int] = []
    for one in exports:
        words = [one.body[at : at + 4] for at in range(0, len(one.body), 4)]
        distinct = list(dict.fromkeys(int.from_bytes(word, "big") for word in words))
        assert len(distinct) == one.count
        found += distinct
    return found


def filled(*signals: str, size_bytes: int = 4) -> RetryQueue:
    queue = RetryQueue()
    for number, signal in enumerate(signals):
        queue.add_export(export(number, size_bytes, signal))
    return queue


def test_all_that_waits_for_one_destination_is_one_request() -> None:
    queue = filled("traces", "traces", "traces")
    assert queue.size_bytes == 12
    (one,) = queue.take_due_exports(0.0)
    assert numbers([one]) == [0, 1, 2]
    assert (one.count, queue.size_bytes, bool(queue)) == (3, 0, False)


def test_a_request_is_at_most_as_large_as_backends_take() -> None:
    queue = filled(*["traces"] * 6, size_bytes=MIB)
    sizes = []
    while taken := queue.take_due_exports(0.0):
        sizes += [len(one.body) for one in taken]
        queue.record_answer(taken[0])
    assert sizes == [3 * MIB, 3 * MIB]
    assert max(sizes) <= MAX_REQUEST_BYTES


def test_nothing_more_is_taken_while_one_is_on_its_way() -> None:
    queue = filled("traces")
    (one,) = queue.take_due_exports(0.0)
    queue.add_export(export(9))
    assert queue.take_due_exports(1e9) == []
    assert queue.holds_next()
    queue.record_answer(one)
    assert not queue.holds_next()
    assert numbers(queue.take_due_exports(0.0)) == [9]


def test_destinations_are_independent_and_the_more_valuable_come_first() -> None:
    queue = filled("logs", "metrics", "traces")
    queue.add_export(export(3, route="traces (other)"))
    assert [one.route for one in queue.take_due_exports(0.0)] == [
        "traces",
        "traces (other)",
        "metrics",
        "logs",
    ]


def test_one_in_trouble_is_tried_with_the_oldest_export_alone() -> None:
    queue = filled("traces", "traces")
    (first,) = queue.take_due_exports(0.0)
    for number in range(2, 9):
        queue.add_export(export(number))
    queue.keep_failed(first, 0.0, 1.0, None)
    assert (queue.take_due_exports(0.9), queue.retry_at_s()) == ([], 1.0)
    (probe,) = queue.take_due_exports(1.0)
    assert numbers([probe]) == [0, 1]
    assert not queue.holds_next()
    assert queue.take_due_exports(1e9) == []
    assert queue.retry_at_s() == NEVER
    queue.record_answer(probe)
    assert numbers(queue.take_due_exports(1.0)) == list(range(2, 9))


def test_trouble_of_one_signal_is_no_others() -> None:
    queue = filled("traces", "logs")
    traces, logs = queue.take_due_exports(0.0)
    queue.keep_failed(traces, 0.0, 1.0, None)
    queue.record_answer(logs)
    assert queue.is_healthy("logs")
    assert not queue.is_healthy("traces")
    assert queue.is_healthy("metrics")
    queue.add_export(export(7, signal="logs"))
    assert numbers(queue.take_due_exports(0.0)) == [7]


def test_what_comes_back_takes_its_old_place() -> None:
    queue = filled("traces")
    (old,) = queue.take_due_exports(0.0)
    queue.add_export(export(5))
    queue.keep_failed(old, 0.0, 1.0, None)
    assert numbers(queue.take_due_exports(1.0)) == [0]


def test_a_drain_forgets_the_breakers_and_begins_with_the_newest() -> None:
    queue = filled(*["traces"] * 7, size_bytes=MIB)
    (old,) = queue.take_due_exports(0.0)
    queue.keep_failed(old, 0.0, 1.0, 3600)
    queue.start_draining()
    (first,) = queue.take_due_exports(0.0)
    assert numbers([first]) == [4, 5, 6]
    queue.keep_failed(first, 10.0, 1.0, None)
    assert queue.take_due_exports(10.1) == []
    assert numbers(queue.take_due_exports(10.2)) == [4, 5, 6]


def test_a_destination_first_seen_in_a_drain_hurries_too() -> None:
    queue = RetryQueue()
    queue.start_draining()
    queue.add_export(export(1))
    (one,) = queue.take_due_exports(0.0)
    queue.keep_failed(one, 0.0, 1.0, None)
    assert queue.retry_at_s() == 0.2


def test_a_flood_of_lines_pushes_out_lines_only() -> None:
    queue = RetryQueue(8 * MIB)
    for number in range(3):
        queue.add_export(export(number, MIB, "traces"))
    queue.add_export(export(3, MIB, "metrics"))
    for number in range(100, 150):
        queue.add_export(export(number, MIB // 2, "logs"))
        assert queue.size_bytes <= 8 * MIB
    assert {one.signal for one in queue.spilled} == {"logs"}
    assert numbers(queue.spilled) == sorted(numbers(queue.spilled))
    queue.spilled = []
    waiting = numbers(queue.take_all_exports())
    assert waiting[:4] == [0, 1, 2, 3]
    assert waiting[-1] == 149


def test_while_there_is_room_one_signal_may_have_all_of_it() -> None:
    queue = RetryQueue(8 * MIB)
    for number in range(8):
        queue.add_export(export(number, MIB, "logs"))
    assert queue.spilled == []


def test_spilling_makes_room_for_more_than_one() -> None:
    queue = RetryQueue(8 * MIB)
    for number in range(9):
        queue.add_export(export(number, MIB))
    assert numbers(queue.spilled) == [0, 1, 2]
    assert not queue.has_room
    assert RetryQueue().has_room


def test_after_413_requests_are_smaller() -> None:
    queue = filled(*["traces"] * 4, size_bytes=MIB)
    (large,) = queue.take_due_exports(0.0)
    assert len(large.body) == 3 * MIB
    parts = [export(0, MIB), export(1, MIB)]
    queue.keep_parts(large, parts)
    sizes = []
    while taken := queue.take_due_exports(0.0):
        sizes += [len(one.body) for one in taken]
        queue.record_answer(taken[0])
    assert sizes == [MIB, MIB, MIB]


def test_overrun_is_waited_for_no_longer() -> None:
    queue = filled("traces", "logs")
    queue.take_due_exports(0.0)
    queue.record_overrun()
    assert not queue.holds_next()


def test_joining_one_is_that_one() -> None:
    one = export(1)
    assert join_exports([one]) is one


class Queue(RuleBasedStateMachine):
    """Everything is once among what waits, is on its way, was delivered or was spilled."""

    LIMIT_BYTES = 240

    def __init__(self) -> None:
        super().__init__()
        self.queue = RetryQueue(self.LIMIT_BYTES)
        self.now_s = 0.0
        self.added = 0
        self.delivered: list[int] = []
        self.spilled: list[int] = []
        self.out: dict[str, Export] = {}

    @rule(
        words=st.integers(1, 20),
        signal=st.sampled_from(["traces", "logs", "metrics"]),
        other=st.booleans(),
    )
    def add(self, words: int, signal: str, *, other: bool) -> None:
        route = f"{signal} (other)" if other else signal
        self.queue.add_export(export(self.added, words * 4, signal, route))
        self.added += 1

    @rule()
    def take(self) -> None:
        for one in self.queue.take_due_exports(self.now_s):
            assert one.route not in self.out, "two at a time"
            self.out[one.route] = one

    @precondition(lambda self: self.out)
    @rule(data=st.data(), random=st.floats(0, 1), retry_after_s=st.none() | st.floats(0, 100))
    def fail(self, data: st.DataObject, random: float, retry_after_s: float | None) -> None:
        one = self.out.pop(data.draw(st.sampled_from(sorted(self.out))))
        self.queue.keep_failed(one, self.now_s, random, retry_after_s)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        one = self.out.pop(data.draw(st.sampled_from(sorted(self.out))))
        self.queue.record_answer(one)
        self.delivered += numbers([one])

    @rule()
    def overrun(self) -> None:
        self.queue.record_overrun()
        assert not self.queue.holds_next()

    @rule()
    def spill(self) -> None:
        self.spilled += numbers(self.queue.spilled)
        self.queue.spilled = []

    @rule(passed_s=st.floats(0, 100))
    def wait(self, passed_s: float) -> None:
        self.now_s += passed_s

    @rule()
    def drain(self) -> None:
        self.queue.start_draining()

    @invariant()
    def bounded(self) -> None:
        out_bytes = sum(len(one.body) for one in self.out.values())
        assert self.queue.size_bytes >= 0
        assert self.queue.size_bytes + out_bytes <= max(self.LIMIT_BYTES, out_bytes)

    def teardown(self) -> None:
        everything = numbers(self.queue.take_all_exports()) + numbers(list(self.out.values()))
        everything += self.delivered + self.spilled
        assert sorted(everything) == list(range(self.added))
        assert self.queue.size_bytes == 0


TestQueue = Queue.TestCase


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_everything_leaves_a_healthy_queue(signal: str) -> None:
    queue = RetryQueue()
    for number in range(50):
        queue.add_export(export(number, 40, signal))
    got: list[int] = []
    while taken := queue.take_due_exports(0.0):
        got += numbers(taken)
        queue.record_answer(taken[0])
    assert got == list(range(50))
