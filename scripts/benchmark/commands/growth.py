"""``scripts/bench growth``: how cost grows with spans, log lines and invocations."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark import command, machine
from benchmark.command import say
from benchmark.load import growth_environment, growth_plot, growth_series
from benchmark.rivals import backends, trial
from benchmark.sandbox.processes import unpack

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmark.load.growth_environment import Cost
    from benchmark.load.growth_series import Points

_SPANS = [10, 30, 100, 300, 1_000, 3_000, 10_000]
_LINES = [10, 100, 1_000, 10_000, 100_000]
_INVOCATIONS = 10_000
# What is beyond these is a step, not the weather.
_STEEPENING = 3.0
_DRIFT = 1.5
_MEMORY_DRIFT = 1.1


class _Costs(NamedTuple):
    spans: Points
    lines: Points
    invocations: list[Cost]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, draw; 1 when something grows faster than in proportion, or leaks."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command.need_layer(parser, options.layer)
    if options.times < 1:
        parser.error(f"--times {options.times}: 1 or more")
    spans, lines, total = _SPANS, _LINES, _INVOCATIONS
    if options.quick:
        spans, lines, total = _SPANS[:5], _LINES[:3], 200
    costs = _measure(options.layer, spans, lines, total, options.times)
    _write(options, costs)
    problems = _problems(costs)
    print("\n".join(problems) or "grows in proportion")
    return int(bool(problems))


def _measure(layer: Path, spans: list[int], lines: list[int], total: int, times: int) -> _Costs:
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="growth-")))
        opt = scratch / "opt"
        unpack(layer, opt)
        sink = stack.enter_context(backends.sink(scratch))
        place = trial.Place(scratch, sys.executable, sink, "")
        with growth_environment.environment(place, opt) as running:
            by_spans = _points(growth_environment.work(running, "spans", spans, times), "spans")
        with growth_environment.environment(place, opt) as running:
            by_lines = _points(growth_environment.work(running, "lines", lines, times), "lines")
        with growth_environment.environment(place, opt) as running:
            say(f"{total} invocations")
            return _Costs(by_spans, by_lines, growth_environment.invocations(running, total))


def _points(costs: dict[int, list[Cost]], kind: str) -> Points:
    points: Points = []
    for count, found in costs.items():
        # The least: what else runs on the machine only ever adds.
        cpu_ms = min(cost.cpu_ms for cost in found)
        say(f"{count:>7,} {kind}: {cpu_ms:9.2f} ms CPU, {cpu_ms / count * 1000:8.1f} us each")
        points.append((count, cpu_ms))
    return points


def _problems(costs: _Costs) -> list[str]:
    """One line for each thing that grows faster than in proportion."""
    problems = [
        f"{name}: one more costs {growth_series.steepening(points):.1f} times what it did before"
        for name, points in (("spans", costs.spans), ("log lines", costs.lines))
        if growth_series.steepening(points[1:]) > _STEEPENING
    ]
    each = costs.invocations
    for name, values, limit in (
        ("CPU of an invocation", [cost.cpu_ms for cost in each], _DRIFT),
        ("memory", [float(cost.memory_kib) for cost in each], _MEMORY_DRIFT),
    ):
        drift = growth_series.drift(values)
        print(f"{name}, last quarter over the second: {drift:.2f}")
        if drift > limit:
            problems.append(f"{name} grows over {len(each)} invocations: {drift:.2f} times")
    return problems


def _write(options: argparse.Namespace, costs: _Costs) -> None:
    totals = enumerate(accumulate(cost.cpu_ms for cost in costs.invocations), 1)
    counts = {10**power for power in range(5)} | {len(costs.invocations)}
    found: dict[str, Points] = {
        "spans": costs.spans,
        "log lines": costs.lines,
        "invocations": [(count, cpu_ms) for count, cpu_ms in totals if count in counts],
    }
    rounded: dict[str, Points] = {
        name: [(count, round(cpu_ms, 3)) for count, cpu_ms in points]
        for name, points in found.items()
    }
    data = {"machine": machine.machine(), "cpu_ms": rounded}
    if options.docs:
        options.docs.mkdir(parents=True, exist_ok=True)
        command.write_json(options.docs / growth_plot.DATA, data)
        growth_plot.write(options.docs, rounded)
    if options.json:
        command.write_json(options.json, data)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("growth", "How cost grows with what a function does.", layer=True)
    parser.add_argument(
        "--times", type=int, default=3, metavar="N", help="invocations of each size"
    )
    parser.add_argument("--quick", action="store_true", help="fewer, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data, too")
    parser.add_argument(
        "--docs",
        type=Path,
        metavar="DIRECTORY",
        help=f"write growth.svg and {growth_plot.DATA}, which holds its figures",
    )
    return parser
