"""What a run has collected, and how it is written: tables, data and two plots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmark import command, machine
from benchmark.rivals import between, contenders, figures, packages, plots, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmark.rivals.contenders import Contender
    from benchmark.rivals.report import Results
    from benchmark.rivals.rounds import Run


MARK = "scripts/bench rivals"


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
    where = machine.machine()
    text = report.markdown(results, chosen, versions, zip_bytes, run.failures, where)
    print(text)
    data = {
        "machine": where,
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
        command.write_json(arguments.json, data)
    if arguments.docs:
        arguments.docs.mkdir(parents=True, exist_ok=True)
        (arguments.docs / "benchmark.md").write_text(f"{text}\n")
        command.write_json(arguments.docs / "benchmark.json", data)
        plots.write(arguments.docs, results, [one.name for one in chosen])
    if arguments.readme:
        short = report.short(results, chosen, zip_bytes, run.failures, where)
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
