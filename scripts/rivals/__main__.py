"""Command line of ``scripts/bench rivals``."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from start_cost.processes import unpack

from rivals import backends, contenders, output, packages, plan, trial
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
    if not arguments.layer.is_file():
        parser.error(f"{arguments.layer}: no such layer; scripts/build-layer")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: 1 or more")
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
        _measure(run, place, effort, measurable, arguments.function or contenders.FUNCTIONS)
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
        _say(f"{contender.title}: packages")
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
) -> None:
    announced = None
    for contender in chosen:
        if not place.sink.tls and "{tls}" in contender.environ.values():
            run.failures[contender.name] = "it sends over TLS, and there is no openssl here"
    for step in plan.steps(effort, chosen, functions):
        name = step.contender.name
        if (step.number, step.case) != announced:
            announced = step.number, step.case
            _say(f"round {step.number} of {effort.rounds}: {step.case.title}")
        if name in run.failures:
            continue
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
            run.failures[name] = f"{step.case.title}: {error}"
            _say(f"{step.contender.title} {run.failures[name]}")
            continue
        silent = not result.telemetry and not result.output_bytes
        if silent and name != contenders.BARE and step.calls > 1:
            run.failures[name] = f"{step.case.title}: no telemetry came"
            _say(f"{step.contender.title} {run.failures[name]}")
        elif step.number:
            run.trials[step.case.title, name].append(result)


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
    parser.add_argument("--rounds", type=int, metavar="N", help="starts of each kind")
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data, too")
    parser.add_argument(
        "--docs", type=Path, metavar="DIRECTORY", help="write benchmark.md, .json and two plots"
    )
    return parser


def _say(step: str) -> None:
    print(f"==> {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # So that processes and control groups are cleaned up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
