"""Command line of ``scripts/bench budgets``."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from start_cost import instructions
from start_cost.command import need_layer
from start_cost.processes import Sandbox, unpack

from budgets import counts, starts, verdict

FILE = Path(__file__).resolve().parents[2] / "tests" / "benchmarks" / "budgets.json"


def build() -> str:
    """What counts depend on: implementation, version, processor, compiler."""
    compiler = platform.python_compiler()
    implementation = platform.python_implementation()
    return f"{implementation} {platform.python_version()} {platform.machine()} {compiler}"


def main() -> int:
    """Count, and record or judge; 1 when something is off its budget."""
    parser = _parser()
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(counts.NAMES))
    if unknown:
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(counts.NAMES)}")
    need_layer(parser, arguments.layer)
    if not instructions.available():
        print("bench: valgrind not found: apt install valgrind", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="budgets-") as name:
        scratch = Path(name)
        unpack(arguments.layer, scratch / "opt")
        measured = counts.measure(scratch / "opt", scratch, arguments.names)
        sandbox_directory = scratch / "modules"
        sandbox_directory.mkdir()
        modules = starts.added_modules(Sandbox(sandbox_directory, scratch / "opt"), scratch)
    for what, counted in measured.items():
        print(f"{what:20} {counted.added:12,} instructions (bare {counted.bare:,})")
    recorded = json.loads(FILE.read_text())
    if arguments.record:
        entry = recorded.setdefault(build(), {"bare_init_hello": 0, "instructions": {}})
        if counts.INIT_HELLO in measured:
            entry["bare_init_hello"] = measured[counts.INIT_HELLO].bare
        entry["instructions"].update({what: counted.added for what, counted in measured.items()})
        entry["modules"] = modules
        FILE.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")
        return 0
    return _report(recorded, measured, modules)


def _report(
    recorded: dict[str, Any], measured: dict[str, counts.Counted], modules: dict[str, list[str]]
) -> int:
    bare = measured[counts.INIT_HELLO].bare if counts.INIT_HELLO in measured else 0
    stick = verdict.yardstick(recorded, build(), bare)
    if stick is None:
        print(f"bench: nothing is recorded for {build()}; --record", file=sys.stderr)
        return 2
    problems = verdict.count_problems(
        stick, {what: counted.added for what, counted in measured.items()}
    )
    for start, names in modules.items():
        problems += verdict.module_problems(stick.entry["modules"][start], names, start)
    print("\n".join(problems) or "all within budget")
    return int(bool(problems))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench budgets", description="Instruction counts and module sets of a start."
    )
    parser.add_argument("names", nargs="*", default=counts.NAMES, metavar="WHAT", help="only these")
    parser.add_argument("--layer", type=Path, required=True, metavar="ZIP", help="the built layer")
    parser.add_argument("--record", action="store_true", help=f"write {FILE.name}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
