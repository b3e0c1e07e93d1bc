"""Cost grows in proportion: no step, no leak. ``scripts/bench growth`` has the long series."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from benchmark.load import growth_environment, growth_series
from benchmark.rivals import backends, trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Timings: what would be quadratic is ten times dearer at the end, and the machine may be busy.
STEEPENING = 3.0
MEMORY_DRIFT = 1.1


@pytest.fixture(scope="module")
def running(
    opt: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[growth_environment.Environment]:
    """One environment for all: what one test leaves behind, the next would see."""
    scratch = tmp_path_factory.mktemp("growth")
    with backends.sink(scratch) as sink:
        place = trial.Place(scratch, sys.executable, sink, "")
        with growth_environment.environment(place, opt) as environment:
            yield environment


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["spans", "lines"])
def test_one_more_costs_what_the_one_before_did(
    running: growth_environment.Environment, kind: str
) -> None:
    costs = growth_environment.work(running, kind, [100, 1_000, 3_000], times=7)
    points = [(count, min(cost.cpu_ms for cost in found)) for count, found in costs.items()]
    assert growth_series.steepening(points) < STEEPENING, points


@pytest.mark.integration
def test_many_invocations_leave_nothing_behind(running: growth_environment.Environment) -> None:
    costs = growth_environment.invocations(running, 400)
    assert growth_series.drift([float(cost.memory_kib) for cost in costs]) < MEMORY_DRIFT
    assert growth_series.drift([cost.cpu_ms for cost in costs]) < STEEPENING


def test_a_straight_line_does_not_steepen() -> None:
    assert growth_series.steepening([(10, 25.0), (100, 205.0), (1_000, 2_005.0)]) == pytest.approx(
        1
    )


def test_a_square_does() -> None:
    assert growth_series.steepening([(count, float(count**2)) for count in (10, 100, 1_000)]) == 10


def test_a_step_does() -> None:
    assert growth_series.steepening([(10, 10.0), (20, 20.0), (30, 60.0), (40, 70.0)]) == 4


@pytest.mark.parametrize("points", [[], [(1, 1.0)], [(2, 1.0), (1, 2.0)]])
def test_what_is_no_series_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="two points"):
        growth_series.steepening(points)


def test_a_cost_that_never_rises_is_no_straight_line() -> None:
    assert growth_series.steepening([(1, 2.0), (2, 2.0)]) == float("inf")


def test_drift_is_of_the_last_quarter_over_the_second() -> None:
    assert growth_series.drift([9, 9, 1, 1, 5, 5, 2, 2]) == 2
    with pytest.raises(ValueError, match="eight"):
        growth_series.drift([1.0] * 7)
