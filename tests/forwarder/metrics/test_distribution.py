"""Values to points of a histogram."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint as SdkPoint
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from serverless_instrument.forwarder.metrics.distribution import histogram_point, is_value
from serverless_instrument.forwarder.metrics.histogram_points import ExponentialHistogram

# Sums of these are exact in every order.
EIGHTHS = st.integers(-(1 << 20), 1 << 20).map(lambda number: number / 8)


@given(
    st.lists(st.tuples(EIGHTHS, st.integers(1, 5)), min_size=1, max_size=20),
    st.sampled_from(["", "s", "By", "%", "us", "ms", "{count}"]),
)
def test_a_point_is_that_of_all_its_values(pairs: list[tuple[float, int]], unit: str) -> None:
    encoded = histogram_point(pairs, unit, 7).encode(())
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
    merged = histogram_point(parts[0], "ms", 7)
    for pairs in parts[1:]:
        merged.merge(histogram_point(pairs, "ms", 7))
    whole = histogram_point([pair for pairs in parts for pair in pairs], "ms", 7)
    assert merged.encode(()) == whole.encode(())


ANY = st.floats(0, 2.0**360) | EIGHTHS.map(abs) | st.integers(-1074, 300).map(lambda e: 2.0**e)


@given(st.lists(ANY, min_size=1, max_size=30))
def test_exponential_buckets_are_the_sdks(values: list[float]) -> None:
    pairs = [(value, 1) for value in values]
    mine = ExponentialHistogramDataPoint.FromString(
        histogram_point(pairs, "", 7, exponential=True).encode(())
    )
    reader = InMemoryMetricReader()
    view = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    instrument = provider.get_meter("test").create_histogram("h")
    for value in values:
        instrument.record(value)
    (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics  # type: ignore[union-attr] # there is one
    (theirs,) = metric.data.data_points
    provider.shutdown()
    assert isinstance(theirs, SdkPoint)
    assert (mine.count, mine.zero_count) == (theirs.count, theirs.zero_count)
    if len(set(values) - {0.0}) > 1:  # of one the SDK may have a coarser scale
        assert mine.scale == theirs.scale
        assert buckets(mine.positive) == buckets(theirs.positive)
    assert not mine.negative.bucket_counts
    assert (mine.sum, mine.min, mine.max) == (sum(values), min(values), max(values))


def buckets(side: Any) -> dict[int, int]:
    return {index: count for index, count in enumerate(side.bucket_counts, side.offset) if count}


@given(st.lists(st.tuples(ANY, st.integers(1, 5)), min_size=1, max_size=10))
def test_a_negative_value_has_the_bucket_of_the_positive_one(
    pairs: list[tuple[float, int]],
) -> None:
    one = histogram_point(pairs, "", 7, exponential=True)
    other = histogram_point([(-value, times) for value, times in pairs], "", 7, exponential=True)
    assert isinstance(one, ExponentialHistogram)
    assert isinstance(other, ExponentialHistogram)
    assert (one.positive, one.scale, one.zero_count) == (
        other.negative,
        other.scale,
        other.zero_count,
    )
    assert sum(one.positive.values()) + one.zero_count == one.count


@pytest.mark.parametrize("exponent", range(-1074, 361, 7))
def test_a_value_is_in_its_bucket(exponent: int) -> None:
    for value in (2.0**exponent, 1.5 * 2.0**exponent, math.nextafter(2.0**exponent, 0)):
        if value < 2.0**-1022:
            continue
        point = histogram_point([(value, 1)], "", 7, exponential=True)
        assert isinstance(point, ExponentialHistogram)
        ((index, _),) = point.positive.items()
        # base ** index < value <= base ** (index + 1), less what a logarithm cannot tell
        place = math.log2(value) * 2**20
        assert index - 1e-3 <= place <= index + 1 + 1e-3


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0**360, -(2.0**360), 10**100])
def test_what_is_a_value(value: object) -> None:
    assert is_value(value)


@pytest.mark.parametrize(
    "value",
    [True, None, "1", [1], {}, math.nan, math.inf, -math.inf, 2.0**361, 10**400, -(10**400)],
)
def test_what_is_none(value: object) -> None:
    assert not is_value(value)
