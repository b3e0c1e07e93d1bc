"""Values to points of a histogram."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

from serverless_instrument.forwarder.distribution import histogram, is_value

# Sums of these are exact in every order.
EIGHTHS = st.integers(-(1 << 20), 1 << 20).map(lambda number: number / 8)


@given(
    st.lists(st.tuples(EIGHTHS, st.integers(1, 5)), min_size=1, max_size=20),
    st.sampled_from(["", "s", "By", "%", "us", "ms", "{count}"]),
)
def test_a_point_is_that_of_all_its_values(pairs: list[tuple[float, int]], unit: str) -> None:
    encoded = histogram(pairs, unit, 7).encode(())
    point = HistogramDataPoint.FromString(encoded)
    values = [value for value, times in pairs for _ in range(times)]
    # A bucket's upper boundary belongs to it.
    edges = [-math.inf, *point.explicit_bounds, math.inf]
    assert list(point.bucket_counts) == [
        len([value for value in values if low < value <= high])
        for low, high in itertools.pairwise(edges)
    ]
    assert (point.count, point.sum) == (len(values), sum(values))
    assert (point.min, point.max) == (min(values), max(values))
    assert point.start_time_unix_nano == point.time_unix_nano == 7


@given(
    st.lists(st.lists(st.tuples(EIGHTHS, st.integers(1, 5)), min_size=1), min_size=1, max_size=5)
)
def test_points_of_one_unit_merge(parts: list[list[tuple[float, int]]]) -> None:
    merged = histogram(parts[0], "ms", 7)
    for pairs in parts[1:]:
        merged.merge(histogram(pairs, "ms", 7))
    whole = histogram([pair for pairs in parts for pair in pairs], "ms", 7)
    assert merged.encode(()) == whole.encode(())


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0**360, -(2.0**360), 10**100])
def test_what_is_a_value(value: object) -> None:
    assert is_value(value)


@pytest.mark.parametrize(
    "value",
    [True, None, "1", [1], {}, math.nan, math.inf, -math.inf, 2.0**361, 10**400, -(10**400)],
)
def test_what_is_none(value: object) -> None:
    assert not is_value(value)
