"""What a run has collected, and how it is written: tables, data and two plots."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from typing import TYPE_CHECKING

from start_cost import table

from rivals import between, contenders, figures, packages, plot, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from rivals.contenders import Contender
    from rivals.report import Results
    from rivals.trial import Trial


MARK = "scripts/bench rivals"


@dataclasses.dataclass
class Run:
    """What one run has collected so far; `failures` are {contender: the first reason}."""

    layers: dict[str, Path]
    bare_layers: dict[str, Path]
    trials: dict[tuple[str, str], list[Trial]]
    failures: dict[str, str]


def _results(run: Run) -> Results:
    results: Results = {}
    for (title, name), trials in run.trials.items():
        bare = run.trials.get((title, contenders.BARE), [])
        if name not in run.failures:
            results.setdefault(title, {})[name] = figures.summary(trials, bare)
    return results


def write(
    arguments: argparse.Namespace, chosen: Sequence[Contender], run: Run, zip_bytes: dict[str, int]
) -> None:
    """Print the tables; write the files that `arguments` ask for (``json``, ``docs``)."""
    results = _results(run)
    versions = {one.name: packages.version(one.packages) for one in chosen if one.packages}
    machine = table.machine()
    text = report.markdown(results, chosen, versions, zip_bytes, run.failures, machine)
    print(text)
    data = {
        "machine": machine,
        "versions": versions,
        "zip_bytes": zip_bytes,
        "failures": run.failures,
        "fields": figures.Figure._fields,
        "results": {
            title: {
                name: {measure: [round(one, 3) for one in found[measure]] for measure in found}
                for name, found in case.items()
            }
            for title, case in results.items()
        },
    }
    if arguments.json:
        arguments.json.write_text(_compact(data))
    if arguments.docs:
        arguments.docs.mkdir(parents=True, exist_ok=True)
        (arguments.docs / "benchmark.md").write_text(f"{text}\n")
        (arguments.docs / "benchmark.json").write_text(_compact(data))
        (arguments.docs / "cold-start.svg").write_text(_cold(results, chosen))
        (arguments.docs / "per-call.svg").write_text(_calls(results, chosen))

    if arguments.readme:
        short = report.short(results, chosen, zip_bytes, run.failures, machine)
        if arguments.docs:
            place = os.path.relpath(arguments.docs, arguments.readme.parent)
            table_file = f"{place}/benchmark.md"
            short += (
                f"\n![What instrumentation adds to a cold start]({place}/cold-start.svg)\n\n"
                f"![What instrumentation adds to each call]({place}/per-call.svg)\n\n"
                f"All figures, spreads and versions: [{table_file}]({table_file}).\n"
            )
        readme = between.replaced(arguments.readme.read_text(), MARK, short)
        arguments.readme.write_text(readme)


def _compact(data: object) -> str:
    """JSON with a line for each figure, not one for each number of it."""
    text = json.dumps(data, indent=1)
    return (
        re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
        + "\n"
    )


def _cold(results: Results, chosen: Sequence[Contender]) -> str:
    return plot.bars(
        "What instrumentation adds to a cold start",
        [
            _panel(results, chosen, "empty function, processor time", "hello", "init_cpu"),
            _panel(results, chosen, "function with boto3, processor time", "boto", "init_cpu"),
            _panel(results, chosen, "empty, with 128 MB: time", "hello, 128 MB", "init_wall"),
        ],
    )


def _calls(results: Results, chosen: Sequence[Contender]) -> str:
    return plot.bars(
        "What instrumentation adds to each call",
        [
            _panel(results, chosen, "empty function, processor time", "hello", "call_cpu"),
            _panel(results, chosen, "three AWS calls, processor time", "aws_calls", "call_cpu"),
            _panel(results, chosen, "100 spans, processor time", "spans", "call_cpu"),
        ],
    )


def _panel(
    results: Results, chosen: Sequence[Contender], title: str, case: str, measure: str
) -> plot.Panel:
    """Bars of the runtime process, and of the extension's besides where `measure` has both."""
    added = report.series(results, case, measure)
    of_all = report.series(results, case, f"{measure}_all")
    shown = []
    for one in chosen:
        if one.name != contenders.BARE:
            value, together = added(one.name), of_all(one.name)
            more = together - value if one.extension and together and value is not None else 0.0
            ours = one.name == contenders.OURS
            shown.append(plot.Bar(one.title, value, ours, max(0.0, more)))
    return plot.Panel(title, "ms", shown)
