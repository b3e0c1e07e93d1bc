"""The init phase as spans."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.forwarder.outcomes.init_span import InitSpan
from serverless_instrument.forwarder.telemetry_api.platform_events import Event

if TYPE_CHECKING:
    from serverless_instrument.forwarder.codec.spans import Made

TRACE, ROOT = b"t" * 16, b"r" * 8


def init(**changes: int) -> InitSpan:
    numbers = count(1)
    made = InitSpan(lambda size: next(numbers).to_bytes(size, "big"))
    made.registered_unix_ns = changes.get("registered", 20)
    made.loaded_unix_ns = changes.get("loaded", 30)
    return made


def event(kind: str, time_unix_ns: int, **record: object) -> Event:
    return Event(f"platform.{kind}", time_unix_ns, record)


START = event("initStart", 10, initializationType="on-demand", phase="init")
DONE = event("initRuntimeDone", 50, status="success", phase="init")
REPORT = event("initReport", 55, status="success", metrics={"durationMs": 45})


def shown(made: list[Made]) -> list[tuple[str, int, int, bytes, str]]:
    return [
        (one.name, one.start_unix_ns, one.end_unix_ns, one.parent_id, one.error_type)
        for one in made
    ]


def test_a_cold_start_in_the_trace_of_its_first_invocation() -> None:
    made = init()
    for each in (START, DONE, REPORT):
        made.record_platform_event(each)
        assert made.take_spans() == []
    made.set_parent(TRACE, ROOT)
    spans = made.take_spans()
    whole = spans[0]
    assert shown(spans) == [
        ("init", 10, 55, ROOT, ""),
        ("init extensions", 10, 20, whole.span_id, ""),
        ("init runtime", 20, 30, whole.span_id, ""),
        ("init function", 30, 50, whole.span_id, ""),
    ]
    assert {one.trace_id for one in spans} == {TRACE}
    assert len({one.span_id for one in spans}) == 4
    assert whole.attributes == {
        "faas.coldstart": True,
        "aws.lambda.initialization_type": "on-demand",
    }
    made.set_parent(b"u" * 16, b"o" * 8)
    assert made.take_spans() == []
    assert made.take_spans(last=True) == []


def test_events_that_come_after_the_first_invocation_began() -> None:
    made = init()
    made.set_parent(TRACE, ROOT)
    assert made.take_spans() == []
    made.record_platform_event(START)
    assert made.take_spans() == []
    made.record_platform_event(DONE)
    assert next(one.name for one in made.take_spans()) == "init"


@pytest.mark.parametrize(
    "kind", ["provisioned-concurrency", "lambda-managed-instances", "snap-start"]
)
def test_an_init_ahead_of_its_invocations_has_a_trace_of_its_own(kind: str) -> None:
    made = init()
    for each in (event("initStart", 10, initializationType=kind), DONE, REPORT):
        made.record_platform_event(each)
    made.set_parent(TRACE, ROOT)
    whole = made.take_spans()[0]
    assert whole.trace_id != TRACE
    assert whole.parent_id == b""


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"status": "error", "errorType": "Runtime.ImportModuleError"},
            "Runtime.ImportModuleError",
        ),
        ({"status": "timeout"}, "timeout"),
        ({"status": "failure"}, "Runtime.ExitError"),
    ],
)
def test_an_init_that_failed_is_told_at_the_end(record: dict[str, object], expected: str) -> None:
    made = init()
    made.record_platform_event(START)
    made.record_platform_event(event("initRuntimeDone", 50, **record))
    assert made.take_spans() == []
    spans = made.take_spans(last=True)
    assert [one.error_type for one in spans] == [expected, "", "", expected]
    assert made.take_spans(last=True) == []


def test_a_module_that_is_imported_at_once_has_its_part_all_the_same() -> None:
    made = init()
    made.record_platform_event(START)
    # HELLO was read at 30; the platform cuts its times to milliseconds.
    made.record_platform_event(event("initRuntimeDone", 29, status="success"))
    made.set_parent(TRACE, ROOT)
    assert [(name, start, end) for name, start, end, _, _ in shown(made.take_spans())][2:] == [
        ("init runtime", 20, 29),
        ("init function", 29, 29),
    ]


def test_an_exception_of_the_handlers_module_is_on_the_span() -> None:
    made = init()
    made.record_init_error("app.OwnError", b"event", 45)
    whole, *_, function = made.take_spans(last=True)
    assert (whole.name, whole.start_unix_ns, whole.end_unix_ns) == ("init", 30, 45)
    assert (whole.error_type, whole.events) == ("app.OwnError", (b"event",))
    assert function.error_type == "app.OwnError"


def test_a_restore_is_another_phase() -> None:
    made = init()
    for each in (event("initStart", 10, initializationType="snap-start"), DONE, REPORT):
        made.record_platform_event(each)
    made.record_platform_event(event("restoreStart", 1000))
    made.record_platform_event(event("restoreRuntimeDone", 1030, status="success"))
    made.record_platform_event(event("restoreReport", 1040, status="success"))
    made.set_parent(TRACE, ROOT)
    assert shown(made.take_spans()) == [("restore", 1000, 1040, ROOT, "")]


def test_an_environment_without_events_or_invocations_tells_nothing() -> None:
    made = init(loaded=0)
    made.set_parent(TRACE, ROOT)
    assert made.take_spans(last=True) == []
    made = init()
    for each in (START, DONE, REPORT):
        made.record_platform_event(each)
    made.set_parent(b"", b"")
    assert made.take_spans(last=True) == []
