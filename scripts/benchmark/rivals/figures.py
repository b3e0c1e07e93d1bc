"""Trials to figures: medians, spreads, and what each adds to the bare runtime; pure."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmark.rivals.trial import Trial


_MEDIAN = 0.5


class Figure(NamedTuple):
    """Median and quartiles of one measure, and the median over the bare runtime's."""

    median: float
    low: float
    high: float
    added: float
    ratio: float


class Measure(NamedTuple):
    """How one figure is got from the trials of a case."""

    name: str
    unit: str
    value: Callable[[Trial], Iterable[float]]
    quantile: float = _MEDIAN


MEASURES = (
    Measure("init_wall", "ms", lambda trial: [trial.init_wall_ms]),
    Measure("init_cpu", "ms", lambda trial: [trial.init_cpu_ms]),
    Measure("init_cpu_all", "ms", lambda trial: [trial.init_cpu_ms + trial.extension_init_cpu_ms]),
    Measure("first_call", "ms", lambda trial: [trial.first_ms]),
    Measure("call_p50", "ms", lambda trial: trial.calls_ms),
    Measure("call_p99", "ms", lambda trial: trial.calls_ms, 0.99),
    Measure("call_cpu", "ms", lambda trial: [trial.call_cpu_ms]),
    Measure("call_cpu_all", "ms", lambda trial: [trial.call_cpu_ms + trial.extension_call_cpu_ms]),
    Measure("tail", "ms", lambda trial: trial.tail_ms),
    # What Lambda bills: until everybody asks for the next event.
    Measure(
        "billed", "ms", lambda trial: map(sum, zip(trial.calls_ms, trial.tail_ms, strict=True))
    ),
    Measure("memory", "MiB", lambda trial: [trial.memory_kib / 1024]),
    Measure(
        "memory_all",
        "MiB",
        lambda trial: [(trial.memory_kib + trial.extension_memory_kib) / 1024],
    ),
)


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest of `values` that `part` of them do not exceed.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values to take a quantile of")
    ordered = sorted(values)
    return ordered[max(1, math.ceil(part * len(ordered))) - 1]


def _middle(values: Sequence[float], part: float) -> float:
    return statistics.median(values) if part == _MEDIAN else quantile(values, part)


def summary(trials: Sequence[Trial], bare: Sequence[Trial]) -> dict[str, Figure]:
    """{measure: figure} of one contender's trials of a case, against the bare runtime's."""
    found = {}
    for measure in MEASURES:
        ours = [value for trial in trials for value in measure.value(trial)]
        floor = [value for trial in bare for value in measure.value(trial)]
        if not ours or not floor:
            continue
        middle, base = (_middle(values, measure.quantile) for values in (ours, floor))
        found[measure.name] = Figure(
            middle,
            quantile(ours, 0.25),
            quantile(ours, 0.75),
            middle - base,
            middle / base if base else 0.0,
        )
    return found


def best(added: Mapping[str, float], but: Iterable[str]) -> str:
    """The name of who adds least, `but` left out; "" where nobody else was measured."""
    excluded = set(but)
    others = {name: value for name, value in added.items() if name not in excluded}
    return min(others, key=lambda name: others[name]) if others else ""
