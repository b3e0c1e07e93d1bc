"""The table of a run's metrics."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from serverless_instrument.local import metric_table


def shown(*metrics: dict[str, Any]) -> list[list[str]]:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(metric_table.table(metrics))
    return [line.split() for line in capture.get().splitlines()]


def metric(name: str, kind: str, *points: dict[str, Any], unit: str = "") -> dict[str, Any]:
    told = [{"attributes": {"faas.trigger": "http"}, **point} for point in points]
    delta = {} if kind == "gauge" else {"aggregationTemporality": 1}
    return {"name": name, "unit": unit or None, "type": kind, "dataPoints": told, **delta}


def test_deltas_of_several_flushes_add_up_and_gauges_do_not() -> None:
    histogram = {"count": "2", "sum": 3.0, "min": 1.0, "max": 2.0}
    rows = shown(
        metric("faas.invocations", "sum", {"asInt": "2"}, unit="{invocation}"),
        metric("level", "gauge", {"asDouble": 1.5}),
        metric("faas.invoke_duration", "histogram", histogram, unit="s"),
        metric("faas.invocations", "sum", {"asInt": "3"}, unit="{invocation}"),
        metric("level", "gauge", {"asDouble": 0.5}),
        metric("faas.invoke_duration", "histogram", {**histogram, "max": 9.0}, unit="s"),
    )
    assert rows == [
        ["metric", "value", "unit", "attributes"],
        ["faas.invocations", "5", "{invocation}", "faas.trigger=http"],
        ["faas.invoke_duration", "1.5", "(1", "to", "9)", "x", "4", "s", "faas.trigger=http"],
        ["level", "0.5", "faas.trigger=http"],
    ]


def test_a_histogram_of_nothing() -> None:
    assert shown(metric("h", "histogram", {}))[1][:2] == ["h", "-"]
