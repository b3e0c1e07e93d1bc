"""Command line of ``scripts/bench rivals``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import re
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from start_cost import table
from start_cost.processes import unpack

from rivals import backends, contenders, figures, packages, plan, plot, report, trial
from rivals.lambda_api import InvocationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rivals.contenders import Contender
    from rivals.report import Results
    from rivals.trial import Place, Trial

_ROOT = Path(__file__).resolve().parents[2]
_NAMES = [contender.name for contender in contenders.CONTENDERS]


@dataclasses.dataclass
class Run:
    """What one run has collected so far; `failures` are {contender: the first reason}."""

    layers: dict[str, Path]
    bare_layers: dict[str, Path]
    trials: dict[tuple[str, str], list[Trial]]
    failures: dict[str, str]


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
    _write(arguments, chosen, run, zip_bytes)
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


def _results(run: Run) -> Results:
    results: Results = {}
    for (title, name), trials in run.trials.items():
        bare = run.trials.get((title, contenders.BARE), [])
        if name not in run.failures:
            results.setdefault(title, {})[name] = figures.summary(trials, bare)
    return results


def _write(
    arguments: argparse.Namespace, chosen: Sequence[Contender], run: Run, zip_bytes: dict[str, int]
) -> None:
    results = _results(run)
    versions = {one.name: packages.version(one.packages) for one in chosen if one.packages}
    machine = table.machine()
    text = report.markdown(results, chosen, versions, zip_bytes, run.failures, machine)
    print(text)
    data = {
        "machine": machine,
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
        arguments.json.write_text(_compact(data))
    if arguments.docs:
        arguments.docs.mkdir(parents=True, exist_ok=True)
        (arguments.docs / "benchmark.md").write_text(f"{text}\n")
        (arguments.docs / "benchmark.json").write_text(_compact(data))
        (arguments.docs / "cold-start.svg").write_text(_cold(results, chosen))
        (arguments.docs / "per-call.svg").write_text(_calls(results, chosen))


def _compact(data: object) -> str:
    """JSON with a line for each figure, not one for each number of it."""
    text = json.dumps(data, indent=1)
    return (
        re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
        + "\n"
    )


def _cold(results: Results, chosen: Sequence[Contender]) -> str:
    return plot.bars(
        "What instrumentation adds to a cold start",
        [
            _panel(results, chosen, "empty function, processor time", "hello", "init_cpu_all"),
            _panel(results, chosen, "function with boto3, processor time", "boto", "init_cpu_all"),
            _panel(results, chosen, "empty, with 128 MB: time", "hello, 128 MB", "init_wall"),
        ],
    )


def _calls(results: Results, chosen: Sequence[Contender]) -> str:
    return plot.bars(
        "What instrumentation adds to each call",
        [
            _panel(results, chosen, "empty function, processor time", "hello", "call_cpu_all"),
            _panel(results, chosen, "three AWS calls, processor time", "aws_calls", "call_cpu_all"),
            _panel(results, chosen, "100 spans, processor time", "spans", "call_cpu_all"),
        ],
    )


def _panel(
    results: Results, chosen: Sequence[Contender], title: str, case: str, measure: str
) -> plot.Panel:
    added = report.series(results, case, measure)
    shown = [
        plot.Bar(one.title, added(one.name), one.name == contenders.OURS)
        for one in chosen
        if one.name != contenders.BARE
    ]
    return plot.Panel(title, "ms", shown)


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
