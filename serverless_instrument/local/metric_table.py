"""The metrics of a run as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.local.otlp_data import Data

_GAP = 2


def table(metrics: Sequence[Data]) -> Table:
    """A row for each series, the points of several flushes together.

    Args:
        metrics: as `otlp_data.metric` makes them.
    """
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for column in ("metric", "value", "unit", "attributes"):
        made.add_column(column, justify="right" if column == "value" else "left", no_wrap=True)
    for (name, unit, attributes), points in _series(metrics).items():
        shown = Text(attributes, style="dim")
        made.add_row(Text(name), Text(_value(points)), Text(unit, style="dim"), shown)
    return made


def _series(metrics: Sequence[Data]) -> dict[tuple[str, str, str], list[Data]]:
    found: dict[tuple[str, str, str], list[Data]] = {}
    for metric in metrics:
        for point in metric["dataPoints"]:
            told = "  ".join(f"{key}={value}" for key, value in point["attributes"].items())
            key = (metric["name"], metric["unit"] or "", told)
            adds_up = metric["type"] != "gauge" and metric.get("aggregationTemporality") == 1
            before = found.get(key, []) if adds_up else []
            found[key] = [*before, point]
    return dict(sorted(found.items()))


def _value(points: Sequence[Data]) -> str:
    if all("asInt" in point or "asDouble" in point for point in points):
        numbers = [point["asInt"] if "asInt" in point else point["asDouble"] for point in points]
        total = sum([float(number) for number in numbers])
        return f"{total:.6g}"
    count = sum(int(point.get("count", 0)) for point in points)
    if not count:
        return "-"
    mean = sum(float(point.get("sum", 0)) for point in points) / count
    least = min(float(point.get("min", 0)) for point in points)
    most = max(float(point.get("max", 0)) for point in points)
    return f"{mean:.4g} ({least:.4g} to {most:.4g}) x {count}"
