"""Values to points of a histogram: against the aggregation's own, value by value."""

from __future__ import annotations

import math
from struct import iter_unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.distribution import histogram, is_value
from serverless_instrument.forwarder.metric_points import Histogram

# Sums of these are exact in every order.
EIGHTHS = st.integers(-(1 << 20), 1 << 20).map(lambda number: number / 8)


@given(
    st.lists(st.tuples(EIGHTHS, st.integers(1, 5)), min_size=1, max_size=20),
    st.sampled_from(["", "s", "By", "%", "us", "ms", "{count}"]),
)
def test_a_point_is_that_of_each_value_merged(pairs: list[tuple[float, int]], unit: str) -> None:
    point = histogram(pairs, unit, 7)
    bounds = [value for (value,) in iter_unpack("<d", point.key[0])]  # type: ignore[index] # (bounds, number of counts)
    expected = None
    for value, times in pairs:
        for _ in range(times):
            one = Histogram.of(value, tuple(bounds), 7)
            if expected is None:
                expected = one
            else:
                expected.merge(one)
    assert expected is not None
    assert point.key == expected.key
    assert point.encode(()) == expected.encode(())


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0**360, -(2.0**360), 10**100])
def test_what_is_a_value(value: object) -> None:
    assert is_value(value)


@pytest.mark.parametrize(
    "value",
    [True, None, "1", [1], {}, math.nan, math.inf, -math.inf, 2.0**361, 10**400, -(10**400)],
)
def test_what_is_none(value: object) -> None:
    assert not is_value(value)
