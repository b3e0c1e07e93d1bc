"""``scripts/bench budgets``: instruction counts and module sets, as CI holds them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import command
from benchmark.sandbox.processes import unpack
from benchmark.starts import budget_file, counts, instructions, start_modules, verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmark.starts.modules import Modules

_MODULES = "modules"
_NAMES = (*counts.NAMES, _MODULES)


def main(arguments: Sequence[str]) -> int:
    """Count, and record or judge; 1 when something is off its budget."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(_NAMES)):
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(_NAMES)}")
    command.need_layer(parser, options.layer)
    counted_names = [name for name in options.names if name != _MODULES]
    if counted_names and not instructions.available():
        print("bench: valgrind not found: apt install valgrind", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="budgets-") as name:
        scratch = Path(name)
        opt = scratch / "opt"
        unpack(options.layer, opt)
        measured = counts.measure(opt, scratch, counted_names) if counted_names else {}
        starts = start_modules.STARTS if _MODULES in options.names else ()
        modules = {start: start_modules.measured(start, opt) for start in starts}
    for what, counted in measured.items():
        print(f"{what:20} {counted.added:12,} instructions (bare {counted.bare:,})")
    if options.record:
        budget_file.write(
            verdict.with_record(budget_file.read(), budget_file.build(), measured, modules)
        )
        return 0
    return _report(budget_file.read(), measured, modules)


def _report(
    recorded: dict[str, Any], measured: dict[str, counts.Counted], modules: dict[str, Modules]
) -> int:
    build = budget_file.build()
    bare = measured[counts.INIT_HELLO].bare if counts.INIT_HELLO in measured else 0
    stick = verdict.yardstick(recorded["builds"], build, bare)
    if stick is None:
        print(f"bench: nothing is recorded for {build}; --record", file=sys.stderr)
        return 2
    problems = verdict.count_problems(
        stick, {what: counted.added for what, counted in measured.items()}
    )
    for start, found in modules.items():
        problems += verdict.start_problems(recorded, stick.entry, start, found)
    print("\n".join(problems) or "all within budget")
    return int(bool(problems))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("budgets", "Instruction counts and module sets of a start.", layer=True)
    parser.add_argument(
        "names",
        nargs="*",
        default=_NAMES,
        metavar="WHAT",
        help=f"only these, of {', '.join(_NAMES)}; modules alone takes seconds",
    )
    parser.add_argument(
        "--record", action="store_true", help=f"write {budget_file.PATH.name} instead of judging"
    )
    return parser
