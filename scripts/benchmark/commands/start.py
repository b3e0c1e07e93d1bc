"""``scripts/bench start``: what we add to a cold start, against the bare runtime."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import command, machine
from benchmark.command import say
from benchmark.sandbox.lambda_api import EXTENSION_NEXT, REGISTER, RUNTIME_NEXT
from benchmark.sandbox.processes import unpack
from benchmark.sandbox.subjects import Sandbox
from benchmark.starts import (
    budget_file,
    comparison,
    counts,
    forwarder_memory,
    instructions,
    start_modules,
    timings,
    verdict,
)
from benchmark.starts.comparison import Row

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmark.starts.timings import Start

_NEXT = "exec to first /next"


def main(arguments: Sequence[str]) -> int:
    """Measure as `arguments` say; 1 when a figure that does not flicker is over budget."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command.need_layer(parser, options.layer)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        unpack(options.layer, scratch / "opt")
        rows = _rows(scratch, 1 if options.quick else options.rounds)
    where = machine.machine()
    print("\n".join([machine.one_line(where), "", *comparison.table(rows)]))
    if options.json:
        command.write_json(options.json, {"machine": where, "rows": comparison.data(rows)})
    return int(any(row.is_over and row.stable for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(
        "start", "What we add to a cold start, against the bare runtime.", layer=True
    )
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="starts of each kind")
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data, too")
    return parser


def _rows(scratch: Path, rounds: int) -> list[Row]:
    say(f"starts, {rounds} rounds, interleaved")
    sandbox = Sandbox(scratch, scratch / "opt")
    with sandbox.listening():
        rows = _timing_rows(sandbox, scratch, rounds)
    say("loaded modules")
    for start in start_modules.STARTS:
        added = start_modules.measured(start, scratch / "opt").settled
        rows.append(Row(start, "modules added", 0, len(added)))
    if instructions.available():
        say("instructions")
        return rows + _instruction_rows(scratch)
    say("valgrind not found: no instruction counts (apt install valgrind)")
    return rows


def _timing_rows(sandbox: Sandbox, scratch: Path, rounds: int) -> list[Row]:
    cases = {
        "bare": timings.Case(sandbox.bare_runtime, RUNTIME_NEXT),
        "ours": timings.Case(sandbox.our_runtime, RUNTIME_NEXT),
        "without layer": timings.Case(sandbox.our_runtime_without_layer, RUNTIME_NEXT),
        "bare boto3": timings.Case(sandbox.bare_aws_runtime, RUNTIME_NEXT),
        "our boto3": timings.Case(sandbox.our_aws_runtime, RUNTIME_NEXT),
        "bare extension": timings.Case(sandbox.bare_extension, REGISTER),
        "forwarder": timings.Case(sandbox.forwarder, REGISTER),
        "bare waiting": timings.Case(sandbox.bare_extension, EXTENSION_NEXT),
        "waiting": timings.Case(sandbox.forwarder, EXTENSION_NEXT),
    }
    measured = timings.interleaved(list(cases.values()), rounds, scratch)
    found = dict(zip(cases, measured, strict=True))
    limits = budget_file.read()["limits"]

    def row(what: str, unit: str, bare: str, ours: str, cpu_limit_ms: float | None = None) -> Row:
        pair = _median(unit, found[bare]), _median(unit, found[ours])
        return Row(what, unit, *pair, budget=cpu_limit_ms, relative=True)

    registered = row("extension, exec to register", "ms", "bare extension", "forwarder")
    memory = row("extension, peak memory at first /next", "MiB", "bare waiting", "waiting")
    after_kib = forwarder_memory.peak_after_invocation_kib(sandbox, scratch)
    return [
        row(f"runtime, {_NEXT}", "CPU ms", "bare", "ours", limits["init_hello_cpu_ms"]),
        row(f"runtime, {_NEXT}", "ms", "bare", "ours"),
        row(f"runtime without layer, {_NEXT}", "CPU ms", "bare", "without layer"),
        row(f"runtime without layer, {_NEXT}", "ms", "bare", "without layer"),
        row(
            f"runtime with boto3, {_NEXT}",
            "CPU ms",
            "bare boto3",
            "our boto3",
            limits["init_boto_cpu_ms"],
        ),
        # The machine's speed cancels out.
        registered._replace(
            budget=registered.bare * limits["forwarder_register_over_bare"], relative=False
        ),
        row(f"extension, {_NEXT}", "ms", "bare waiting", "waiting"),
        memory,
        Row(
            "extension, peak memory after 100 spans",
            "MiB",
            memory.bare,
            after_kib / 1024,
            budget=limits["forwarder_peak_mib"],
            stable=True,
        ),
    ]


def _median(unit: str, starts: Sequence[Start]) -> float:
    if unit == "MiB":
        return statistics.median(start.peak_kib / 1024 for start in starts)
    if unit == "ms":
        return statistics.median(start.elapsed_ms for start in starts)
    return statistics.median(start.cpu_ms for start in starts)


def _instruction_rows(scratch: Path) -> list[Row]:
    directory = scratch / "counts"
    directory.mkdir()
    build = budget_file.read()["builds"].get(budget_file.build(), {"instructions": {}})
    rows = []
    for start, counted in counts.measure(scratch / "opt", directory, counts.STARTS).items():
        budget = build["instructions"].get(start)
        rows.append(
            Row(
                start,
                "M instructions",
                counted.bare / 1e6,
                (counted.bare + counted.added) / 1e6,
                budget=budget and budget * (1 + verdict.TOLERANCE) / 1e6,
                relative=True,
                stable=True,
            )
        )
    return rows
