"""Command line of ``scripts/bench rivals``."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from start_cost import command
from start_cost.command import need_layer, say
from start_cost.processes import unpack

from rivals import backends, between, contenders, output, packages, plan, trial
from rivals.lambda_api import InvocationError
from rivals.output import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rivals.contenders import Contender
    from rivals.trial import Place

_ROOT = Path(__file__).resolve().parents[2]
_NAMES = [contender.name for contender in contenders.CONTENDERS]


def main() -> int:
    """Measure everybody and write the report; 1 when ours could not be measured."""
    parser = _parser()
    arguments = parser.parse_args()
    need_layer(parser, arguments.layer)
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: 1 or more")
    if arguments.minutes <= 0:
        parser.error(f"--minutes {arguments.minutes:g}: more than 0")
    if arguments.readme:
        try:
            between.replaced(arguments.readme.read_text(), output.MARK, "")
        except (OSError, ValueError) as error:
            parser.error(f"--readme {arguments.readme}: {error}")
    effort = plan.QUICK if arguments.quick else plan.FULL
    if arguments.rounds:
        effort = effort._replace(rounds=arguments.rounds)
    cache = _ROOT / ".cache" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    chosen = [
        contender
        for contender in contenders.CONTENDERS
        if contender.name == contenders.BARE or contender.name in (arguments.only or _NAMES)
    ]
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rivals-")))
        run = _prepare(chosen, arguments.layer, cache, scratch)
        try:
            python = packages.runtime_python(cache)
            sink = stack.enter_context(backends.sink(scratch))
            aws_url = stack.enter_context(backends.aws(scratch / "moto.txt"))
        except (packages.InstallError, TimeoutError) as error:
            print(f"bench: what the functions need: {error}", file=sys.stderr)
            return 2
        place = trial.Place(scratch, python, sink, aws_url)
        measurable = [one for one in chosen if one.name in run.layers]
        functions = arguments.function or contenders.FUNCTIONS
        _measure(run, place, effort, measurable, functions, arguments.minutes * 60)
        zip_bytes = {
            name: arguments.layer.stat().st_size
            if name == contenders.OURS
            else packages.zipped_bytes(opt, cache)
            for name, opt in run.layers.items()
            if name != contenders.BARE
        }
    output.write(arguments, chosen, run, zip_bytes)
    return int(contenders.OURS in run.failures)


def _prepare(chosen: Sequence[Contender], layer: Path, cache: Path, scratch: Path) -> Run:
    run = Run({}, {}, defaultdict(list), {})
    for contender in chosen:
        say(f"{contender.title}: packages")
        if contender.name == contenders.OURS:
            opt = scratch / "opt"
            unpack(layer, opt)
        elif contender.name == contenders.BARE:
            opt = scratch / "nothing"
            opt.mkdir()
        else:
            try:
                opt = packages.layer(contender.packages, cache)
            except packages.InstallError as error:
                run.failures[contender.name] = f"pip: {error}"
                continue
        run.layers[contender.name] = opt
        target = cache / f"{opt.name}-without-pyc"
        if contender.name in (contenders.OURS, contenders.BARE):
            target = scratch / f"{opt.name}-without-pyc"
        else:
            # Our launchers in it may be newer than the copy.
            shutil.rmtree(target, ignore_errors=True)
        run.bare_layers[contender.name] = packages.without_bytecode(opt, target)
    return run


def _measure(
    run: Run,
    place: Place,
    effort: plan.Effort,
    chosen: Sequence[Contender],
    functions: Sequence[str],
    limit_s: float,
) -> None:
    """Whole rounds, as many as fit into `limit_s`; two at least, the first of which only warms."""
    for contender in chosen:
        if not place.sink.tls and "{tls}" in contender.environ.values():
            run.failures[contender.name] = "it sends over TLS, and there is no openssl here"
    pace = plan.Pace()
    began_s = time.monotonic()
    for number in range(effort.rounds + 1):
        rounds = [
            plan.steps(effort, chosen, later, functions)
            for later in range(number, effort.rounds + 1)
        ]
        gone_s = time.monotonic() - began_s
        if number > 1 and gone_s + pace.expected_s(rounds[0]) > limit_s:
            say(f"{number - 1} rounds in {gone_s / 60:.1f} min: another would not fit in")
            return
        announced = None
        for position, step in enumerate(rounds[0]):
            if step.case != announced:
                announced = step.case
                left = [*rounds[0][position:], *(one for later in rounds[1:] for one in later)]
                gone_s = time.monotonic() - began_s
                left_s = min(pace.expected_s(left), max(0.0, limit_s - gone_s))
                say(
                    f"round {number} of {effort.rounds} at most: {step.case.title} "
                    f"({gone_s / 60:.1f} min gone, about {left_s / 60:.0f} left)"
                )
            if step.contender.name not in run.failures:
                trial_s = time.monotonic()
                _try(run, place, step)
                pace.note(step, time.monotonic() - trial_s)


def _try(run: Run, place: Place, step: plan.Step) -> None:
    """One trial; what comes of it is noted in `run`."""
    name, title = step.contender.name, step.case.title
    bytecode = step.case.variant != plan.WITHOUT_BYTECODE
    try:
        result = trial.run(
            place,
            step.contender,
            (run.layers if bytecode else run.bare_layers)[name],
            step.case.function,
            step.calls,
            share=step.case.share,
            bytecode=bytecode,
        )
    except (InvocationError, TimeoutError) as error:
        run.failures[name] = f"{title}: {error}"
        say(f"{step.contender.title} {run.failures[name]}")
        return
    silent = not result.telemetry and not result.output_bytes
    if silent and name != contenders.BARE and step.calls > 1:
        run.failures[name] = f"{title}: no telemetry came"
        say(f"{step.contender.title} {run.failures[name]}")
    elif step.number:
        run.trials[title, name].append(result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench rivals", description="The others beside us, every figure over bare."
    )
    parser.add_argument("--layer", type=Path, required=True, metavar="ZIP", help="the built layer")
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


if __name__ == "__main__":
    command.run(main)
