"""Series of a run's metrics, and what is estimated of their distributions, from the real SDK."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from serverless_instrument.local.view import metric_series, otlp_data
from serverless_instrument.local.view.metric_series import Distribution, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

DELTA = AggregationTemporality.DELTA
EXPONENTIAL = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
VALUES = st.lists(st.integers(0, 80_000).map(lambda number: number / 8), min_size=1, max_size=40)
FRACTIONS = st.sampled_from((0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0))
BOUNDS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)


def measured(flushes: Sequence[Sequence[float]], *views: View) -> Series:
    """The values as a histogram of the SDK's, collected after each of `flushes`."""
    temporality: dict[type, AggregationTemporality] = {Histogram: DELTA, Counter: DELTA}
    reader = InMemoryMetricReader(preferred_temporality=temporality)
    provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
    histogram = provider.get_meter("test").create_histogram("h", "ms")
    found = []
    for values in flushes:
        for value in values:
            histogram.record(value, {"kind": "book"})
        data = reader.get_metrics_data()
        if data is None:
            continue
        for group in encode_metrics(data).resource_metrics:
            for scope in group.scope_metrics:
                found += [otlp_data.metric(group.resource, scope.scope, m) for m in scope.metrics]
    (series,) = metric_series.collect_series(found)
    return series


def distribution(series: Series) -> Distribution:
    found = series.distribution()
    assert found is not None
    return found


def ranked(values: Sequence[float], fraction: float) -> float:
    return sorted(values)[math.ceil(fraction * len(values)) - 1]


@given(st.lists(VALUES, min_size=1, max_size=4), FRACTIONS)
def test_explicit_buckets_give_a_quantile_within_its_bucket(
    flushes: list[list[float]], fraction: float
) -> None:
    found = distribution(measured(flushes))
    values = [value for flush in flushes for value in flush]
    assert (found.count, found.most) == (len(values), max(values))
    assert found.mean == pytest.approx(sum(values) / len(values))
    quantile, exact = found.quantile(fraction), ranked(values, fraction)
    assert quantile is not None
    low = max([bound for bound in BOUNDS if bound < exact], default=0)
    high = min([bound for bound in BOUNDS if bound >= exact], default=max(values))
    assert low - 1e-9 <= quantile <= high + 1e-9
    assert min(values) - 1e-9 <= quantile <= max(values) + 1e-9


@given(VALUES, FRACTIONS)
def test_exponential_buckets_give_a_quantile_within_their_error(
    values: list[float], fraction: float
) -> None:
    series = measured([values], EXPONENTIAL)
    scale = int(series.points[0].get("scale", 0))
    quantile, exact = distribution(series).quantile(fraction), ranked(values, fraction)
    assert quantile == pytest.approx(exact, rel=2 ** (2**-scale) - 1 + 1e-9)


@given(VALUES, FRACTIONS)
def test_of_one_value_for_each_flush_it_is_exact(values: list[float], fraction: float) -> None:
    found = distribution(measured([[value] for value in values]))
    assert found.quantile(fraction) == ranked(values, fraction)


def point(**fields: object) -> dict[str, Any]:
    return {"attributes": {}, **fields}


def metric(type_: str, *points: dict[str, Any], temporality: int = 1, **fields: object) -> Any:
    told = {"name": "m", "unit": None, "type": type_, "dataPoints": list(points), **fields}
    return told if type_ == "gauge" else {**told, "aggregationTemporality": temporality}


def test_deltas_add_up_while_of_gauges_and_totals_the_last_counts() -> None:
    for type_, temporality, expected in (("sum", 1, 7.5), ("sum", 2, 4.5), ("gauge", 0, 4.5)):
        points = (point(asInt="3"), point(asDouble=4.5))
        metrics = [metric(type_, each, temporality=temporality) for each in points]
        (series,) = metric_series.collect_series(metrics)
        assert series.value() == expected
        assert series.distribution() is None


def test_series_differ_by_attributes_unit_and_type() -> None:
    one = metric("sum", point(asInt="1"), {"attributes": {"a": "1"}, "asInt": "1"})
    other = metric("sum", {"attributes": {"a": 1}, "asInt": "1"}, unit="s")
    third = metric("gauge", point(asInt="1"))
    assert len(metric_series.collect_series([one, other, third, one])) == 4
    same = [{"a": 1, "b": [2]}, {"b": [2], "a": 1}]
    points = [{"attributes": attributes, "asInt": "1"} for attributes in same]
    (series,) = metric_series.collect_series([metric("sum", *points)])
    assert series.value() == 2


@pytest.mark.parametrize(
    ("fields", "median"),
    [
        ({"count": "0"}, None),
        ({}, None),
        ({"count": "2"}, None),  # one bucket of all values, which nothing limits
        ({"count": "2", "min": 3.0, "max": 3.0}, 3),
        ({"count": "2", "min": 1.0, "max": 3.0}, 2),
        ({"count": "2", "explicitBounds": [5.0], "bucketCounts": ["2", "0"]}, 5),
        ({"count": "2", "explicitBounds": [5.0], "bucketCounts": ["0", "2"]}, 5),
        ({"count": "4", "explicitBounds": [0.0, 8.0], "bucketCounts": ["0", "4", "0"]}, 4),
        ({"count": "2", "scale": 0, "positive": {"offset": 1023, "bucketCounts": ["2"]}}, 2**1023),
        ({"count": "2", "scale": 0, "negative": {"offset": 1, "bucketCounts": ["2"]}}, -3),
        ({"count": "2", "scale": 0, "zeroCount": "2"}, 0),
    ],
)
def test_what_a_point_leaves_out(fields: dict[str, Any], median: float | None) -> None:
    assert Distribution([point(**fields)]).quantile(0.5) == median


def test_extremes_and_sum_are_known_only_if_every_point_has_them() -> None:
    full, bare = point(count="1", sum=2.0, max=2.0), point(count="1")
    assert (Distribution([full]).mean, Distribution([full]).most) == (2, 2)
    both = Distribution([full, bare, point(count="0")])
    assert (both.count, both.mean, both.most) == (2, None, None)
