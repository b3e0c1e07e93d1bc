"""Runs the rounds: the packages of everybody, then trial after trial in the order of `plan`."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from benchmark.command import say
from benchmark.rivals import contenders, packages, plan, trial
from benchmark.sandbox.lambda_api import InvocationError
from benchmark.sandbox.processes import unpack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.rivals.contenders import Contender
    from benchmark.rivals.trial import Place, Trial


@dataclasses.dataclass
class Run:
    """What one run has collected so far; `failures` are {contender: the first reason}."""

    layers: dict[str, Path]
    bare_layers: dict[str, Path]
    trials: dict[tuple[str, str], list[Trial]]
    failures: dict[str, str]


def prepare(chosen: Sequence[Contender], layer: Path, cache: Path, scratch: Path) -> Run:
    """Lay out the packages of all `chosen`; who cannot be installed is among the failures."""
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


def measure(
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
