"""Neither a freeze nor a clock that is set stops it or takes it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery.freeze_clock import FreezeClock

STEPS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e6)))


@pytest.mark.parametrize(
    ("monotonic_s", "wall_s", "passed_s"),
    [
        (5.0, 5.0, 5.0),
        (0.1, 600.0, 600.0),  # frozen, and only the wall clock knows
        (600.0, 0.1, 600.0),
        (5.0, -3600.0, 5.0),  # set back
        (-1.0, -1.0, 0.0),
    ],
)
def test_the_larger_of_both(monotonic_s: float, wall_s: float, passed_s: float) -> None:
    clock = FreezeClock(100.0, 1e9)
    assert clock.at(100.0 + monotonic_s, 1e9 + wall_s) == pytest.approx(passed_s)


@given(STEPS)
def test_never_back_and_never_slower_than_the_monotonic_clock(
    steps: list[tuple[float, float]],
) -> None:
    monotonic_s, wall_s = 100.0, 1e9
    clock = FreezeClock(monotonic_s, wall_s)
    last_s = 0.0
    for monotonic_step_s, wall_step_s in steps:
        monotonic_s, wall_s = monotonic_s + monotonic_step_s, wall_s + wall_step_s
        now_s = clock.at(monotonic_s, wall_s)
        assert now_s >= last_s + monotonic_step_s * 0.999 - 1e-3
        last_s = now_s
