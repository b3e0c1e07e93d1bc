"""Command line of ``scripts/bench``."""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from start_cost import instructions, memory, modules, table, timings
from start_cost.command import say
from start_cost.lambda_stub import EXTENSION_NEXT, REGISTER, RUNTIME_NEXT
from start_cost.processes import Sandbox, unpack
from start_cost.table import Row

if TYPE_CHECKING:
    from start_cost.timings import Start

# CONTRIBUTING.md, "Budgets"
_RUNTIME_M_INSTRUCTIONS = 35
_RUNTIME_CPU_MS = 12
# The 4.5 ms that the register call may come after the floor's, at 0.4 ms a million.
_REGISTER_M_INSTRUCTIONS = 11
_AWS_M_INSTRUCTIONS = 95
_AWS_CPU_MS = 37
# 15 ms where the floor took 10.5: the machine's speed cancels out.
_REGISTER_OVER_FLOOR = 15 / 10.5
_FORWARDER_PEAK_MIB = 14


def main() -> int:
    """Measure as the command line says; 1 when a figure that does not flicker is over budget."""
    arguments = _parser().parse_args()
    if not arguments.layer.is_file():
        print(f"bench: {arguments.layer}: no such layer; scripts/build-layer", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        unpack(arguments.layer, scratch / "opt")
        sandbox = Sandbox(scratch, scratch / "opt")
        with sandbox.listening():
            rows = _rows(sandbox, scratch, 1 if arguments.quick else arguments.rounds)
    machine = table.machine()
    print(table.markdown(rows, machine))
    if arguments.json:
        arguments.json.write_text(json.dumps(table.data(rows, machine), indent=2) + "\n")
    return int(any(row.is_over and row.stable for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench start",
        description="What we add to a cold start, against the bare runtime.",
    )
    parser.add_argument("--layer", type=Path, required=True, metavar="ZIP", help="the built layer")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="starts of each kind")
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data, too")
    return parser


def _rows(sandbox: Sandbox, scratch: Path, rounds: int) -> list[Row]:
    say(f"starts, {rounds} rounds, interleaved")
    rows = _timing_rows(sandbox, scratch, rounds)
    say("loaded modules")
    rows += _module_rows(sandbox, scratch)
    if instructions.available():
        say("instructions")
        rows += _instruction_rows(sandbox, scratch)
    else:
        say("valgrind not found: no instruction counts (apt install valgrind)")
    return rows


def _timing_rows(sandbox: Sandbox, scratch: Path, rounds: int) -> list[Row]:
    measured = iter(
        timings.interleaved(
            [
                timings.Case(sandbox.bare_runtime, RUNTIME_NEXT),
                timings.Case(sandbox.our_runtime, RUNTIME_NEXT),
                timings.Case(sandbox.our_runtime_without_layer, RUNTIME_NEXT),
                timings.Case(sandbox.bare_aws_runtime, RUNTIME_NEXT),
                timings.Case(sandbox.our_aws_runtime, RUNTIME_NEXT),
                timings.Case(sandbox.bare_extension, REGISTER),
                timings.Case(sandbox.forwarder, REGISTER),
                timings.Case(sandbox.bare_extension, EXTENSION_NEXT),
                timings.Case(sandbox.forwarder, EXTENSION_NEXT),
            ],
            rounds,
            scratch,
        )
    )

    bare_runtime, our_runtime, without_layer = itertools.islice(measured, 3)
    bare_aws, our_aws = itertools.islice(measured, 2)
    bare_extension, forwarder, bare_waiting, waiting = measured

    def row(what: str, unit: str, field: str, bare: list[Start], ours: list[Start]) -> Row:
        scale = 1 / 1024 if field == "peak_kib" else 1
        bare_median, our_median = (
            statistics.median(getattr(start, field) for start in case) * scale
            for case in (bare, ours)
        )
        return Row(what, unit, bare_median, our_median)

    start = "exec to first /next"
    registered = row("extension, exec to register", "ms", "elapsed_ms", bare_extension, forwarder)
    return [
        row(f"runtime, {start}", "CPU ms", "cpu_ms", bare_runtime, our_runtime)._replace(
            budget=_RUNTIME_CPU_MS, relative=True
        ),
        row(f"runtime, {start}", "ms", "elapsed_ms", bare_runtime, our_runtime),
        row(f"runtime without layer, {start}", "CPU ms", "cpu_ms", bare_runtime, without_layer),
        row(f"runtime without layer, {start}", "ms", "elapsed_ms", bare_runtime, without_layer),
        row(f"runtime with boto3, {start}", "CPU ms", "cpu_ms", bare_aws, our_aws)._replace(
            budget=_AWS_CPU_MS, relative=True
        ),
        registered._replace(budget=registered.bare * _REGISTER_OVER_FLOOR),
        row(f"extension, {start}", "ms", "elapsed_ms", bare_waiting, waiting),
        row("extension, peak memory at first /next", "MiB", "peak_kib", bare_waiting, waiting),
        Row(
            "extension, peak memory after 100 spans",
            "MiB",
            statistics.median(start.peak_kib for start in bare_waiting) / 1024,
            memory.peak_after_invocation_kib(sandbox, scratch) / 1024,
            budget=_FORWARDER_PEAK_MIB,
            stable=True,
        ),
    ]


def _module_rows(sandbox: Sandbox, scratch: Path) -> list[Row]:
    bare_runtime = modules.loaded(sandbox.bare_runtime, [RUNTIME_NEXT], scratch)
    our_runtime = modules.loaded(sandbox.our_runtime, [RUNTIME_NEXT], scratch)
    bare_extension = modules.loaded(sandbox.bare_extension, [REGISTER], scratch)
    forwarder = modules.loaded(sandbox.forwarder_directly, [REGISTER, EXTENSION_NEXT], scratch)

    def row(what: str, bare: list[str], ours: list[str]) -> Row:
        return Row(what, "modules", len(bare), len(ours))

    return [
        row("runtime, first /next", bare_runtime[RUNTIME_NEXT], our_runtime[RUNTIME_NEXT]),
        row("extension, register", bare_extension[REGISTER], forwarder[REGISTER]),
        row("extension, first /next", bare_extension[REGISTER], forwarder[EXTENSION_NEXT]),
    ]


def _instruction_rows(sandbox: Sandbox, scratch: Path) -> list[Row]:
    return [
        Row(
            "runtime, first /next",
            "M instructions",
            instructions.count(sandbox.bare_runtime, RUNTIME_NEXT, scratch) / 1e6,
            instructions.count(sandbox.our_runtime, RUNTIME_NEXT, scratch) / 1e6,
            budget=_RUNTIME_M_INSTRUCTIONS,
            relative=True,
            stable=True,
        ),
        Row(
            "runtime with boto3, first /next",
            "M instructions",
            instructions.count(sandbox.bare_aws_runtime, RUNTIME_NEXT, scratch) / 1e6,
            instructions.count(sandbox.our_aws_runtime, RUNTIME_NEXT, scratch) / 1e6,
            budget=_AWS_M_INSTRUCTIONS,
            relative=True,
            stable=True,
        ),
        Row(
            "extension, register",
            "M instructions",
            instructions.count(sandbox.bare_extension, REGISTER, scratch) / 1e6,
            instructions.count(sandbox.forwarder_directly, REGISTER, scratch) / 1e6,
            budget=_REGISTER_M_INSTRUCTIONS,
            relative=True,
            stable=True,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
