"""What is run, in which order: every round meets every case once, so that all share the weather."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmark.rivals import contenders
from benchmark.rivals.contenders import FUNCTIONS
from benchmark.sandbox import cpu_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NORMAL, WITHOUT_BYTECODE, SMALL = "", "without pyc", "128 MB"


class Case(NamedTuple):
    """A function and the circumstances it starts in."""

    function: str
    variant: str = NORMAL

    @property
    def title(self) -> str:
        """As in ``"hello, without pyc"``."""
        return f"{self.function}, {self.variant}" if self.variant else self.function

    @property
    def share(self) -> float:
        """Its part of a processor."""
        return cpu_share.SMALL if self.variant == SMALL else 1.0


class Effort(NamedTuple):
    """How often: `rounds` of every case, `slow_rounds` of the throttled; `calls` warm each."""

    rounds: int
    slow_rounds: int
    calls: int
    slow_calls: int


# So many at most: the rounds end when the next one would not fit into the time there is.
FULL = Effort(rounds=15, slow_rounds=3, calls=60, slow_calls=5)
QUICK = Effort(rounds=1, slow_rounds=1, calls=3, slow_calls=1)


class Step(NamedTuple):
    """One trial to run."""

    number: int
    case: Case
    contender: contenders.Contender
    calls: int


def cases(functions: Sequence[str] = FUNCTIONS) -> list[Case]:
    """All of them; the variants where a cold start is what matters."""
    found = [Case(function) for function in functions]
    for variant in (WITHOUT_BYTECODE, SMALL):
        found += [Case(name, variant) for name in functions if name in ("hello", "boto")]
    return found


def steps(
    effort: Effort,
    chosen: Sequence[contenders.Contender],
    number: int,
    functions: Sequence[str] = FUNCTIONS,
) -> list[Step]:
    """The trials of round `number`. Round 0 warms the caches and is not counted."""
    found = []
    for case in cases(functions):
        if case.variant == SMALL and not 0 < number <= effort.slow_rounds:
            continue
        calls = effort.slow_calls if case.variant == SMALL else effort.calls
        found += [
            Step(number, case, contender, calls if number else 1)
            for contender in chosen
            if contenders.source(contender, case.function)
        ]
    return found


class Pace:
    """How long what is left will take, by what it took before."""

    def __init__(self) -> None:
        self._taken_s: dict[tuple[str, str], float] = {}

    def note(self, step: Step, taken_s: float) -> None:
        """A trial took so long; one that failed counts as well."""
        self._taken_s[step.case.title, step.contender.name] = taken_s

    def expected_s(self, left: Iterable[Step]) -> float:
        """Seconds for the trials that are left.

        One that was never run is taken for as long as the mean of the others.
        """
        mean_s = sum(self._taken_s.values()) / max(1, len(self._taken_s))
        return sum(
            self._taken_s.get((step.case.title, step.contender.name), mean_s) for step in left
        )
