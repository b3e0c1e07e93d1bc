"""``scripts/bench rivals``: the others beside us, every figure over bare."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import command
from benchmark.rivals import backends, between, contenders, output, packages, plan, rounds, trial
from benchmark.sandbox.managed_python import managed_python

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_NAMES = [contender.name for contender in contenders.CONTENDERS]


def main(arguments: Sequence[str]) -> int:
    """Measure everybody and write the report; 1 when ours could not be measured."""
    options = _options(arguments)
    effort = plan.QUICK if options.quick else plan.FULL
    if options.rounds:
        effort = effort._replace(rounds=options.rounds)
    cache = command.ROOT / ".cache" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    chosen = [
        contender
        for contender in contenders.CONTENDERS
        if contender.name == contenders.BARE or contender.name in (options.only or _NAMES)
    ]
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rivals-")))
        run = rounds.prepare(chosen, options.layer, cache, scratch)
        try:
            python = managed_python(cache)
            sink = stack.enter_context(backends.sink(scratch))
            aws_url = stack.enter_context(backends.aws(scratch / "moto.txt"))
        except (packages.InstallError, TimeoutError) as error:
            print(f"bench: what the functions need: {error}", file=sys.stderr)
            return 2
        place = trial.Place(scratch, python, sink, aws_url)
        measurable = [one for one in chosen if one.name in run.layers]
        functions = options.function or contenders.FUNCTIONS
        rounds.measure(run, place, effort, measurable, functions, options.minutes * 60)
        zip_bytes = {
            name: options.layer.stat().st_size
            if name == contenders.OURS
            else packages.zipped_bytes(opt, cache)
            for name, opt in run.layers.items()
            if name != contenders.BARE
        }
    output.write(options, chosen, run, zip_bytes)
    return int(contenders.OURS in run.failures)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    command.need_layer(parser, options.layer)
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: 1 or more")
    if options.minutes <= 0:
        parser.error(f"--minutes {options.minutes:g}: more than 0")
    if options.readme:
        try:
            between.replaced(options.readme.read_text(), output.MARK, "")
        except (OSError, ValueError) as error:
            parser.error(f"--readme {options.readme}: {error}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("rivals", "The others beside us, every figure over bare.", layer=True)
    parser.add_argument(
        "--only",
        action="append",
        choices=_NAMES,
        metavar="NAME",
        help=f"of {', '.join(_NAMES)}; repeatable",
    )
    parser.add_argument(
        "--function",
        action="append",
        choices=contenders.FUNCTIONS,
        metavar="NAME",
        help=f"of {', '.join(contenders.FUNCTIONS)}; repeatable",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="starts of each kind, at most")
    parser.add_argument(
        "--minutes",
        type=float,
        default=30,
        metavar="N",
        help="end after the last whole round that fits into so many (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data, too")
    parser.add_argument(
        "--docs", type=Path, metavar="DIRECTORY", help="write benchmark.md, .json and two plots"
    )
    parser.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help=f"write a short table between its lines {between.begin(output.MARK)} and "
        f"{between.end(output.MARK)}, and the plots of --docs",
    )
    return parser
