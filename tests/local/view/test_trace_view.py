"""The waterfall, and OTLP messages as plain data."""

from __future__ import annotations

import io
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rich.console import Console

from serverless_instrument.local.view import otlp_data
from serverless_instrument.local.view.trace_view import in_tree_order, waterfall

MS = 1_000_000


def span(name: str, own: int, parent: int | None, start_ms: int, end_ms: int) -> otlp_data.Data:
    message = Span(
        name=name,
        trace_id=bytes(16),
        span_id=own.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent is not None else b"",
        start_time_unix_nano=start_ms * MS,
        end_time_unix_nano=end_ms * MS,
        kind=Span.SpanKind.SPAN_KIND_CLIENT,
    )
    return otlp_data.span(Resource(), InstrumentationScope(), message)


def render(spans: list[otlp_data.Data], width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(waterfall(spans, width))
    return [line.rstrip() for line in file.getvalue().splitlines()]


TREE = [
    span("grandchild", 4, 2, 20, 30),
    span("second", 3, 1, 50, 90),
    span("first", 2, 1, 10, 40),
    span("root", 1, 99, 0, 100),
]


def test_tree_order() -> None:
    assert [(prefix, item["name"]) for prefix, item in in_tree_order(TREE)] == [
        ("", "root"),
        ("├─ ", "first"),
        ("│  └─ ", "grandchild"),
        ("└─ ", "second"),
    ]


@pytest.mark.parametrize(
    "spans",
    [
        [span("own parent", 1, 1, 0, 1)],
        [span("a", 1, 2, 0, 1), span("b", 2, 1, 0, 1)],
        [span("twice", 1, None, 0, 1), span("twice", 1, None, 2, 3), span("below", 2, 1, 0, 1)],
    ],
)
def test_no_span_is_left_out_whatever_its_parents(spans: list[otlp_data.Data]) -> None:
    shown = sorted(item["name"] for _, item in in_tree_order(spans))
    assert shown == sorted(item["name"] for item in spans)


def test_bars_lie_on_one_axis() -> None:
    heading, root, first, grandchild, second = render(TREE, 160)
    assert heading.startswith(f"trace {'0' * 32}  4 spans  100.00 ms")
    bars = [line[line.index("client") + 8 :][:40] for line in (root, first, grandchild, second)]
    assert bars[0] == "█" * 40
    assert bars[1].rstrip() == "    " + "█" * 12
    assert bars[2].rstrip() == "        " + "█" * 4
    assert bars[3].rstrip() == "                    " + "█" * 16
    assert first.endswith("30.00 ms")


@pytest.mark.parametrize("width", [60, 80, 120, 240])
def test_name_and_duration_survive_a_narrow_terminal(width: int) -> None:
    item = span("GET /items/{id}", 1, None, 0, 19)
    item["attributes"] = {"faas.trigger": "http", "server.address": "x" * 100}
    _, row = render([item], width)
    assert "GET /items/{id}" in row
    assert "19.00 ms" in row
    assert len(row) <= width


def test_error_and_zero_length_are_visible() -> None:
    item = span("root", 1, None, 5, 5)
    item["status"] = {"code": "ERROR", "message": None}
    item["attributes"] = {"error.type": "ValueError"}
    _, row = render([item], 120)
    assert "type=ValueError" in row
    assert "0.00 ms" in row


def test_traces_are_grouped_in_order_of_start() -> None:
    late, early = span("late", 1, None, 50, 60), span("early", 2, None, 10, 20)
    late["traceId"] = "1" * 32
    assert [[item["name"] for item in group] for group in otlp_data.traces([late, early])] == [
        ["early"],
        ["late"],
    ]


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (AnyValue(string_value=""), ""),
        (AnyValue(bool_value=False), False),
        (AnyValue(int_value=-(2**63)), -(2**63)),
        (AnyValue(double_value=0.5), 0.5),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (AnyValue(), None),
    ],
)
def test_values(message: AnyValue, value: Any) -> None:
    assert otlp_data.value(message) == value
    nested = AnyValue()
    nested.array_value.values.append(message)
    nested.array_value.values.add().kvlist_value.values.add(key="k").value.CopyFrom(message)
    assert otlp_data.value(nested) == [value, {"k": value}]


def test_span_as_data() -> None:
    message = Span(name="n", trace_id=b"\xaa" * 16, span_id=b"\xbb" * 8, start_time_unix_nano=1)
    event = message.events.add(name="exception", time_unix_nano=2)
    event.attributes.add(key="exception.type").value.string_value = "E"
    message.links.add(trace_id=b"\xcc" * 16, span_id=b"\xdd" * 8)
    message.status.code = 2  # type: ignore[assignment] # an enum is a number on the wire
    data = otlp_data.span(Resource(), InstrumentationScope(name="s"), message)
    assert data["parentSpanId"] is None
    assert data["traceId"] == "aa" * 16
    assert data["status"] == {"code": "ERROR", "message": None}
    assert data["events"][0]["attributes"] == {"exception.type": "E"}
    assert data["links"][0]["spanId"] == "dd" * 8
    assert data["scope"] == {"name": "s", "version": None}


def test_metric_as_data() -> None:
    message = Metric(name="faas.invocations", unit="{invocation}")
    message.sum.aggregation_temporality = 1  # type: ignore[assignment] # as above
    point = message.sum.data_points.add(as_int=3)
    point.attributes.add(key="faas.trigger").value.string_value = "http"
    data = otlp_data.metric(Resource(), InstrumentationScope(), message)
    assert (data["type"], data["aggregationTemporality"]) == ("sum", 1)
    assert data["dataPoints"][0]["attributes"] == {"faas.trigger": "http"}
    assert data["dataPoints"][0]["asInt"] == "3"
