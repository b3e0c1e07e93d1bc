"""What is shown of telemetry as it comes: filters, levels, and when a trace is closed."""

from __future__ import annotations

from typing import Any

import pytest

from serverless_instrument.local.view import levels
from serverless_instrument.local.view.live import Filter, OpenTraces

TRACE = "0123456789abcdef" * 2


def record(**changes: Any) -> dict[str, Any]:
    return {
        "severityNumber": 9,
        "body": "An order came",
        "traceId": TRACE,
        "attributes": {"order": 7},
        "resource": {"service.name": "shop", "faas.name": "shop-function"},
        **changes,
    }


def span(span_id: str = "a", **changes: Any) -> dict[str, Any]:
    return {
        "name": "GET /cart",
        "kind": "SERVER",
        "traceId": TRACE,
        "spanId": span_id,
        "parentSpanId": None,
        "status": {"code": "UNSET"},
        "attributes": {"http.route": "/cart"},
        "resource": {"service.name": "shop"},
        **changes,
    }


@pytest.mark.parametrize(
    ("wanted", "changes", "shown"),
    [
        (Filter(), {}, True),
        (Filter(function="shop"), {}, True),
        (Filter(function="shop-function"), {}, True),
        (Filter(function="other"), {}, False),
        (Filter(level=9), {"severityNumber": 0}, True),
        (Filter(level=13), {"severityNumber": 0}, False),
        (Filter(level=13), {"severityNumber": 17}, True),
        (Filter(text="ORDER"), {}, True),
        (Filter(text='"order": 7'), {"body": "x"}, True),
        (Filter(text="straße"), {"body": {"where": "STRASSE"}}, True),
        (Filter(text="nothing like it"), {}, False),
        (Filter(trace="0123"), {}, True),
        (Filter(trace="123"), {}, False),
        (Filter(trace="0"), {"traceId": None}, False),
    ],
)
def test_records(wanted: Filter, changes: dict[str, Any], shown: bool) -> None:
    assert wanted.shows_record(record(**changes)) is shown


@pytest.mark.parametrize(
    ("wanted", "changes", "shown"),
    [
        (Filter(), {}, True),
        (Filter(function="other"), {}, False),
        (Filter(level=13), {}, False),
        (Filter(level=17), {"status": {"code": "ERROR"}}, True),
        (Filter(text="/CART"), {}, True),
        (Filter(text="other"), {}, False),
        (Filter(trace="01"), {}, True),
        (Filter(trace="11"), {}, False),
    ],
)
def test_traces(wanted: Filter, changes: dict[str, Any], shown: bool) -> None:
    assert wanted.shows_trace([span(**changes)]) is shown


def test_a_trace_is_closed_when_its_outermost_span_is_there_and_nothing_comes() -> None:
    traces = OpenTraces()
    assert traces.next_close_s() is None
    child = span("b", kind="CLIENT", parentSpanId="a")
    traces.add_span(child, 10.0)
    assert traces.take_closed(14.9) == []
    traces.add_span(span(), 14.9)
    due_s = traces.next_close_s()
    assert due_s == pytest.approx(15.2)
    assert traces.take_closed(15.1) == []
    assert traces.take_closed(15.3) == [[child, span()]]
    assert traces.next_close_s() is None


def test_a_trace_without_an_outermost_span_is_shown_in_the_end() -> None:
    traces = OpenTraces()
    child = span("b", kind="CLIENT", parentSpanId="a")
    traces.add_span(child, 10.0)
    other = span(traceId="ff")
    traces.add_span(other, 10.0)
    assert traces.take_closed(11.0) == [[other]]
    assert traces.take_closed(15.1) == [[child]]


@pytest.mark.parametrize(
    ("severity", "name", "style"),
    [
        (0, "info", ""),
        (1, "trace", "dim"),
        (8, "debug", "dim"),
        (9, "info", ""),
        (14, "warn", "yellow"),
        (17, "error", "red"),
        (24, "fatal", "red"),
    ],
)
def test_levels(severity: int, name: str, style: str) -> None:
    assert (levels.name(severity), levels.style(severity)) == (name, style)


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("[ERROR]\t2026\tid\tx", 17),
        ("[WARNING] x", 13),
        ("[1, 2]", 0),
        ('{"level": "debug"}', 5),
        ('{"level": 7}', 0),
        ("{broken", 0),
        ('{"a": ' * 100_000, 0),
        ("Traceback (most recent call last):", 17),
        ("words", 0),
    ],
)
def test_the_level_that_a_line_names(text: str, severity: int) -> None:
    assert levels.severity_of_line(text) == severity
