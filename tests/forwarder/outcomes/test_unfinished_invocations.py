"""Invocations that never ended, told once, as the platform or the clock has it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from serverless_instrument.forwarder.codec.span_identity import SpanIdentity
from serverless_instrument.forwarder.outcomes.unfinished_invocations import (
    HOLD_NS,
    OpenInvocation,
    UnfinishedInvocations,
    failure_of,
)
from serverless_instrument.forwarder.telemetry_api.platform_events import Event
from tests.held import memory_bytes

NOW_NS = 1_700_000_000_000_000_000
NOW_MS = NOW_NS // 1_000_000
TOLD_NS = NOW_NS + 1_000


def span(name: str, **changes: Any) -> bytes:
    made = Span(name=name, span_id=name.encode().ljust(8)[:8], trace_id=b"t" * 16, **changes)
    return made.SerializeToString()


def done(
    request_id: str = "a", status: str = "failure", kind: str = "runtimeDone", **more: str
) -> Event:
    record: dict[str, object] = {"requestId": request_id, "status": status, **more}
    return Event(f"platform.{kind}", TOLD_NS, record)


class Told:
    """Unfinished invocations and what has been told of them."""

    def __init__(self, *, platform_reports: bool = True) -> None:
        self._items: list[tuple[bytes, bytes, bytes]] = []
        # (request id, end, error type) of each, sampled or not.
        self.ended: list[tuple[str, int, str]] = []
        self.unfinished = UnfinishedInvocations(
            lambda *item: self._items.append(item), lambda *item: self.ended.append(item)
        )
        self.unfinished.platform_reports = platform_reports

    def invocation(
        self, request_id: str = "a", deadline_ms: int = NOW_MS + 60_000, root: str = "root"
    ) -> OpenInvocation:
        encoded = span(root) if root else b""
        span_id = SpanIdentity(encoded).span_id
        return OpenInvocation(request_id, deadline_ms, b"resource", b"scope", encoded, span_id)

    def take(self) -> list[tuple[str, str, int]]:
        """(name, error type, end) of what has been told since."""
        told, self._items = self._items, []
        found = []
        for resource, _, item in told:
            assert resource == b"resource"
            (one,) = ScopeSpans.FromString(item).spans
            (kind,) = [a.value.string_value for a in one.attributes if a.key == "error.type"]
            found.append((one.name, kind, one.end_time_unix_nano))
        return found


@pytest.mark.parametrize(
    ("deadline_ms", "expected"),
    [
        (NOW_MS + 60_000, "Runtime.ExitError"),
        (NOW_MS + 100, "timeout"),
        (NOW_MS - 5, "timeout"),
        (0, "Runtime.ExitError"),
    ],
)
def test_without_the_platform_the_deadline_tells(deadline_ms: int, expected: str) -> None:
    told = Told(platform_reports=False)
    told.unfinished.record_runtime_exit([told.invocation(deadline_ms=deadline_ms)], NOW_NS)
    assert told.take() == [("root", expected, NOW_NS)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (done(), "Runtime.ExitError"),
        (done(errorType="Runtime.OutOfMemory"), "Runtime.OutOfMemory"),
        (done(status="timeout", errorType="Sandbox.Timedout"), "timeout"),
        (done(status="error", errorType="Runtime.ExitError", kind="report"), "Runtime.ExitError"),
    ],
)
@pytest.mark.parametrize("first", ["platform", "runtime"])
def test_the_report_and_the_exit_come_in_either_order(
    event: Event, expected: str, first: str
) -> None:
    told = Told()
    if first == "platform":
        told.unfinished.record_platform_end(event)
    told.unfinished.record_runtime_exit([told.invocation()], NOW_NS)
    if first == "runtime":
        assert told.take() == []
        told.unfinished.record_platform_end(event)
    assert told.take() == [("root", expected, TOLD_NS)]
    told.unfinished.record_platform_end(event)
    told.unfinished.send_all()
    assert told.take() == []
    assert told.unfinished.send_at_unix_ns == 0


def test_a_platform_that_says_nothing_is_not_waited_for_forever() -> None:
    told = Told()
    told.unfinished.record_runtime_exit([told.invocation()], NOW_NS)
    told.unfinished.record_platform_end(done(status="success"))
    told.unfinished.record_platform_end(done("another"))
    assert told.unfinished.send_at_unix_ns == NOW_NS + HOLD_NS
    told.unfinished.send_due(NOW_NS + HOLD_NS - 1)
    assert told.take() == []
    told.unfinished.send_due(NOW_NS + HOLD_NS)
    assert told.take() == [("root", "Runtime.ExitError", NOW_NS)]


def test_at_the_end_all_is_told_with_what_is_known() -> None:
    told = Told()
    told.unfinished.record_runtime_exit([told.invocation("a"), told.invocation("b")], NOW_NS)
    told.unfinished.send_all("timeout")
    assert told.take() == [("root", "timeout", NOW_NS)] * 2


def test_one_that_ends_over_another_connection_has_not_been_lost() -> None:
    told = Told()
    told.unfinished.record_runtime_exit([told.invocation()], NOW_NS)
    told.unfinished.record_end("a")
    told.unfinished.record_end("a")
    told.unfinished.send_all()
    assert told.take() == []


def test_what_was_said_of_an_earlier_attempt_does_not_count() -> None:
    told = Told()
    told.unfinished.record_platform_end(done(errorType="Runtime.OutOfMemory"))
    told.unfinished.record_start("a")
    told.unfinished.record_runtime_exit([told.invocation()], NOW_NS)
    told.unfinished.send_all()
    assert told.take() == [("root", "Runtime.ExitError", NOW_NS)]


def test_one_that_is_not_sampled_is_not_told() -> None:
    told = Told(platform_reports=False)
    invocation = told.invocation(root="")
    invocation.record_open_span(b"scope", span("child"))
    told.unfinished.record_runtime_exit([invocation], NOW_NS)
    assert told.take() == []


def test_open_children_are_told_unless_they_have_ended_since() -> None:
    told = Told(platform_reports=False)
    invocation = told.invocation()
    for name in ("one", "two", "three"):
        invocation.record_open_span(b"scope", span(name))
    invocation.record_open_span(b"scope", span("root", attributes=[]))
    invocation.record_open_span(b"scope", b"")
    ended = ScopeSpans(spans=[Span.FromString(span("two")), Span.FromString(span("other"))])
    invocation.forget_ended_spans(ended.SerializeToString())
    told.unfinished.record_runtime_exit([invocation], NOW_NS)
    assert [name for name, _, _ in told.take()] == ["one", "three", "root"]


def test_the_last_word_on_the_root_counts() -> None:
    told = Told(platform_reports=False)
    invocation = told.invocation()
    invocation.record_open_span(b"scope", span("root", events=[Span.Event(name="exception")]))
    assert Span.FromString(invocation.span).events[0].name == "exception"
    assert invocation.children == {}


def test_few_failures_are_remembered() -> None:
    told = Told()
    for number in range(100, 200):
        told.unfinished.record_platform_end(done(str(number)))
    after_100_bytes = memory_bytes(told.unfinished)
    for number in range(200, 1000):
        told.unfinished.record_platform_end(done(str(number)))
    assert memory_bytes(told.unfinished) <= 1.1 * after_100_bytes


def test_an_event_without_a_status_is_no_failure() -> None:
    assert failure_of(Event("platform.runtimeDone", 0, {"requestId": "a"})) is None
    assert failure_of(Event("platform.runtimeDone", 0, {"status": 5})) is None
