"""Command line of ``scripts/bench growth``."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from rivals import backends, plot, trial
from start_cost import table
from start_cost.command import need_layer, run, say
from start_cost.processes import unpack

from growth import measure, series

if TYPE_CHECKING:
    from growth.series import Points

_SPANS = [10, 30, 100, 300, 1_000, 3_000, 10_000]
_LINES = [10, 100, 1_000, 10_000, 100_000]
_INVOCATIONS = 10_000
# What is beyond these is a step, not the weather.
_STEEPENING = 3.0
_DRIFT = 1.5
_MEMORY_DRIFT = 1.1


def main() -> int:
    """Measure, print, draw; 1 when something grows faster than in proportion, or leaks."""
    parser = _parser()
    arguments = parser.parse_args()
    need_layer(parser, arguments.layer)
    if arguments.times < 1:
        parser.error(f"--times {arguments.times}: 1 or more")
    spans, lines, total = _SPANS, _LINES, _INVOCATIONS
    if arguments.quick:
        spans, lines, total = _SPANS[:5], _LINES[:3], 200
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="growth-")))
        opt = scratch / "opt"
        unpack(arguments.layer, opt)
        sink = stack.enter_context(backends.sink(scratch))
        place = trial.Place(scratch, sys.executable, sink, "")
        with measure.environment(place, opt) as running:
            by_spans = _points(measure.work(running, "spans", spans, arguments.times), "spans")
        with measure.environment(place, opt) as running:
            by_lines = _points(measure.work(running, "lines", lines, arguments.times), "lines")
        with measure.environment(place, opt) as running:
            say(f"{total} invocations")
            each = measure.invocations(running, total)
    totals: Points = list(zip(range(1, total + 1), accumulate(cost.cpu_ms for cost in each)))  # noqa: B905 - of one length
    shown = [point for point in totals if point[0] in {10**power for power in range(5)} | {total}]
    _write(arguments, {"spans": by_spans, "log lines": by_lines, "invocations": shown})
    problems = [
        f"{name}: one more costs {series.steepening(points):.1f} times what it did before"
        for name, points in (("spans", by_spans), ("log lines", by_lines))
        if series.steepening(points[1:]) > _STEEPENING
    ]
    for name, values, limit in (
        ("CPU of an invocation", [cost.cpu_ms for cost in each], _DRIFT),
        ("memory", [float(cost.memory_kib) for cost in each], _MEMORY_DRIFT),
    ):
        drift = series.drift(values)
        print(f"{name}, last quarter over the second: {drift:.2f}")
        if drift > limit:
            problems.append(f"{name} grows over {total} invocations: {drift:.2f} times")
    print("\n".join(problems) or "grows in proportion")
    return int(bool(problems))


def _points(costs: dict[int, list[measure.Cost]], kind: str) -> Points:
    points: Points = []
    for count, found in costs.items():
        # The least: what else runs on the machine only ever adds.
        cpu_ms = min(cost.cpu_ms for cost in found)
        say(f"{count:>7,} {kind}: {cpu_ms:9.2f} ms CPU, {cpu_ms / count * 1000:8.1f} us each")
        points.append((count, cpu_ms))
    return points


def _write(arguments: argparse.Namespace, found: dict[str, Points]) -> None:
    if arguments.docs:
        picture = plot.lines(
            "Cost grows in proportion",
            "how many",
            "CPU ms of runtime and forwarder",
            [plot.Line(name, points) for name, points in found.items()],
        )
        arguments.docs.mkdir(parents=True, exist_ok=True)
        (arguments.docs / "growth.svg").write_text(picture)
    if arguments.json:
        data = {"machine": table.machine(), "cpu_ms": found}
        arguments.json.write_text(json.dumps(data, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench growth", description="How cost grows with what a function does."
    )
    parser.add_argument("--layer", type=Path, required=True, metavar="ZIP", help="the built layer")
    parser.add_argument(
        "--times", type=int, default=3, metavar="N", help="invocations of each size"
    )
    parser.add_argument("--quick", action="store_true", help="fewer, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data, too")
    parser.add_argument("--docs", type=Path, metavar="DIRECTORY", help="write growth.svg")
    return parser


if __name__ == "__main__":
    run(main)
