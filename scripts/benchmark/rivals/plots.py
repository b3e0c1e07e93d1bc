"""The plots of what the contenders add: docs/cold-start.svg and docs/per-call.svg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark import plot
from benchmark.rivals import contenders, report
from benchmark.rivals.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.rivals.report import Results

# (file, title, [(panel's title, case, measure)])
_PLOTS = (
    (
        "cold-start.svg",
        "What instrumentation adds to a cold start",
        (
            ("empty function, processor time", "hello", "init_cpu"),
            ("function with boto3, processor time", "boto", "init_cpu"),
            ("empty, with 128 MB: time", "hello, 128 MB", "init_wall"),
        ),
    ),
    (
        "per-call.svg",
        "What instrumentation adds to each call",
        (
            ("empty function, processor time", "hello", "call_cpu"),
            ("three AWS calls, processor time", "aws_calls", "call_cpu"),
            ("100 spans, processor time", "spans", "call_cpu"),
        ),
    ),
)


def write(docs: Path, results: Results, names: Sequence[str]) -> None:
    """Draw both into `docs`, with a bar for each of the contenders `names`."""
    for file, title, panels in _PLOTS:
        drawn = [_panel(results, names, *panel) for panel in panels]
        (docs / file).write_text(plot.bars(title, drawn))


def from_recorded(data: dict[str, Any]) -> Results:
    """The results that docs/benchmark.json holds."""
    return {
        case: {
            name: {measure: Figure(*values) for measure, values in found.items()}
            for name, found in of_case.items()
        }
        for case, of_case in data["results"].items()
    }


def _panel(
    results: Results, names: Sequence[str], title: str, case: str, measure: str
) -> plot.Panel:
    """Bars of the runtime process, and of the extension's besides where `measure` has both."""
    added = report.series(results, case, measure)
    of_all = report.series(results, case, f"{measure}_all")
    shown = []
    for name in names:
        if name != contenders.BARE:
            one = contenders.named(name)
            value, together = added(name), of_all(name)
            more = together - value if one.extension and together and value is not None else 0.0
            shown.append(plot.Bar(one.title, value, name == contenders.OURS, max(0.0, more)))
    return plot.Panel(title, "ms", shown)
