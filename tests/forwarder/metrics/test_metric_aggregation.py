"""Metrics of several invocations, merged: against the SDK's own aggregation of the same values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_DELTA,
    Gauge,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from serverless_instrument.forwarder.metrics.metric_aggregation import Aggregation
from tests.forwarder import encoded
from tests.held import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESOURCE, SCOPE = encoded.resource(), encoded.scope()
DELTA = AggregationTemporality.DELTA
# Sums of these are exact in every order.
EIGHTHS = st.integers(-(1 << 40), 1 << 40).map(lambda number: number / 8)
ROUNDS = st.lists(st.lists(st.tuples(EIGHTHS, st.sampled_from("abc")), max_size=30), max_size=6)


def collected(
    rounds: Sequence[Sequence[tuple[float, str]]],
    record: Callable[[Any, float, str], None],
    *,
    exponential: bool = False,
) -> list[list[Metric]]:
    """What the SDK gives for each round, of deltas."""
    reader = InMemoryMetricReader({Counter: DELTA, Histogram: DELTA})
    views = []
    if exponential:
        views = [View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())]
    provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
    meter = provider.get_meter("test")
    results = []
    instruments: dict[str, Any] = {"meter": meter}
    for values in rounds:
        for value, name in values:
            record(instruments, value, name)
        data = reader.get_metrics_data()
        found: list[Metric] = []
        if data is not None:
            for resource in encode_metrics(data).resource_metrics:
                for scope in resource.scope_metrics:
                    found.extend(scope.metrics)
        results.append(found)
    provider.shutdown()
    return results


def histogram(instruments: dict[str, Any], value: float, name: str) -> None:
    if "histogram" not in instruments:
        instruments["histogram"] = instruments["meter"].create_histogram("h", "ms")
    instruments["histogram"].record(value, {"name": name})


def merged(rounds: Sequence[Sequence[Metric]], aggregation: Aggregation | None = None) -> list[Any]:
    aggregation = Aggregation() if aggregation is None else aggregation
    for metrics in rounds:
        aggregation.add_items(RESOURCE, SCOPE, ScopeMetrics(metrics=metrics).SerializeToString())
    assert aggregation.take_dropped() == {}
    out = ScopeMetrics()
    for resource, scope, items, _ in aggregation.collect_metrics():
        assert (resource, scope) == (RESOURCE, SCOPE)
        out.MergeFromString(items)
    return list(out.metrics)


def points(metrics: Sequence[Any], kind: str) -> dict[str, Any]:
    found = {}
    for metric in metrics:
        for point in getattr(metric, kind).data_points:
            point.ClearField("start_time_unix_nano")
            point.ClearField("time_unix_nano")
            point.ClearField("exemplars")
            key = point.attributes[0].value.string_value if point.attributes else ""
            assert key not in found
            found[key] = point
    return found


def test_a_counter_of_three_in_each_of_three_invocations_is_one_point_of_nine() -> None:
    def count(instruments: dict[str, Any], value: float, name: str) -> None:
        counter = instruments.setdefault("c", instruments["meter"].create_counter("c", "{order}"))
        counter.add(int(value), {"name": name})

    rounds = collected([[(3, "a")]] * 3, count)
    (metric,) = merged(rounds)
    first, last = rounds[0][0].sum.data_points[0], rounds[2][0].sum.data_points[0]
    (point,) = metric.sum.data_points
    assert (metric.name, metric.unit, metric.sum.is_monotonic) == ("c", "{order}", True)
    assert metric.sum.aggregation_temporality == 1
    assert point.as_int == 9
    assert point.start_time_unix_nano == first.start_time_unix_nano
    assert point.time_unix_nano == last.time_unix_nano


@given(ROUNDS)
def test_histograms_as_the_sdk_makes_of_all_values(rounds: list[list[tuple[float, str]]]) -> None:
    together = collected([[item for values in rounds for item in values]], histogram)[0]
    one = merged(collected(rounds, histogram))
    assert points(one, "histogram") == points(together, "histogram")


WIDE = st.one_of(EIGHTHS, st.sampled_from([0.0, 2.0**-30, 2.0**60, 3.0]))
WIDE_ROUNDS = st.lists(st.lists(st.tuples(WIDE, st.sampled_from("ab")), max_size=20), max_size=6)


@given(WIDE_ROUNDS)
def test_exponential_histograms_as_the_sdk_makes_of_all_values(
    rounds: list[list[tuple[float, str]]],
) -> None:
    # The conventions have no negative measurements; the SDK neither.
    rounds = [[(abs(value), name) for value, name in values] for values in rounds]
    everything = [item for values in rounds for item in values]
    together = collected([everything], histogram, exponential=True)[0]
    one = merged(collected(rounds, histogram, exponential=True))
    kind = "exponential_histogram"
    mine, sdks = points(one, kind), points(together, kind)
    assert mine.keys() == sdks.keys()
    for name, point in mine.items():
        theirs = sdks[name]
        for field in ("count", "zero_count", "min", "max", "sum"):
            assert getattr(point, field) == pytest.approx(getattr(theirs, field), rel=1e-12)
        if theirs.positive.bucket_counts and point.count > point.zero_count:
            assert point.scale == theirs.scale
            assert buckets(point) == buckets(theirs)


def buckets(point: Any) -> dict[int, int]:
    counts = enumerate(point.positive.bucket_counts, point.positive.offset)
    return {index: count for index, count in counts if count}


def number(
    name: str, value: int, time_ns: int, *, kind: str = "gauge", **attributes: str
) -> Metric:
    pairs = [encoded.pair(key, text) for key, text in attributes.items()]
    point = NumberDataPoint(as_int=value, time_unix_nano=time_ns, attributes=pairs)
    if kind == "gauge":
        return Metric(name=name, gauge=Gauge(data_points=[point]))
    temporality = 1 if kind == "delta" else 2
    return Metric(name=name, sum=Sum(data_points=[point], aggregation_temporality=temporality))  # type: ignore[arg-type] # an enum's number


def test_a_gauge_keeps_the_last_value_also_where_an_earlier_one_comes_late() -> None:
    (metric,) = merged([[number("g", 1, 5)], [number("g", 7, 9)], [number("g", 3, 6)]])
    assert [point.as_int for point in metric.gauge.data_points] == [7]


def test_a_cumulative_sum_keeps_the_last_value() -> None:
    rounds = [[number("s", value, value, kind="cumulative")] for value in (3, 6, 9)]
    (metric,) = merged(rounds)
    assert [point.as_int for point in metric.sum.data_points] == [9]
    assert metric.sum.aggregation_temporality == 2


def test_the_order_of_attributes_is_no_difference() -> None:
    rounds = [
        [number("s", 1, 1, kind="delta", a="1", b="2")],
        [number("s", 2, 2, kind="delta", b="2", a="1")],
    ]
    (metric,) = merged(rounds)
    assert [point.as_int for point in metric.sum.data_points] == [3]


def test_a_sum_over_64_bits_goes_on_as_a_double() -> None:
    rounds = [[number("s", (1 << 63) - 1, 1, kind="delta")]] * 2
    (metric,) = merged(rounds)
    assert metric.sum.data_points[0].as_double == pytest.approx(2.0**64)


def test_what_is_over_the_cardinality_limit_becomes_the_overflow_point() -> None:
    rounds = [[number("s", 1, 1, kind="delta", a=str(n))] for n in range(10)]
    (metric,) = merged(rounds, Aggregation(cardinality_limit=4))
    found = metric.sum.data_points
    assert len(found) == 4
    assert found[3].attributes[0].key == "otel.metric.overflow"
    assert found[3].attributes[0].value.bool_value is True
    assert found[3].as_int == 7


def test_totals_over_the_limit_are_added_up_by_their_latest() -> None:
    rounds = [
        [number("s", total, total, kind="cumulative", a=str(n)) for n in range(10)]
        for total in (5, 6)
    ]
    (metric,) = merged(rounds, Aggregation(cardinality_limit=4))
    found = {p.attributes[0].value.string_value: p.as_int for p in metric.sum.data_points}
    assert found == {"0": 6, "1": 6, "2": 6, "": 7 * 6}


def test_a_gauge_over_the_limit_is_the_last() -> None:
    rounds = [[number("g", n, n + 1, a=str(n))] for n in range(10)]
    (metric,) = merged(rounds, Aggregation(cardinality_limit=3))
    assert [point.as_int for point in metric.gauge.data_points] == [0, 1, 9]


def test_what_has_no_room_is_counted() -> None:
    aggregation = Aggregation(cardinality_limit=2)
    for bounds in ([1.0], [2.0], [3.0], [4.0]):
        metric = Metric(name="h")
        metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
        for key in "ab":
            point = metric.histogram.data_points.add(count=1, bucket_counts=[1, 0])
            point.explicit_bounds.extend(bounds)
            point.attributes.append(encoded.pair("key", key))
        aggregation.add_items(RESOURCE, SCOPE, ScopeMetrics(metrics=[metric]).SerializeToString())
    names = [number(str(n), 1, 1, kind="delta") for n in range(2100)]
    aggregation.add_items(RESOURCE, SCOPE, ScopeMetrics(metrics=names).SerializeToString())
    aggregation.add_items(RESOURCE, SCOPE, b"\xff")
    entries = aggregation.collect_metrics()
    assert sum(entry[3] for entry in entries) == 2 + 1999
    assert aggregation.take_dropped() == {
        "too many attributes": 6,
        "too many names": 101,
        "malformed": 1,
    }


def test_what_is_given_up_is_not_looked_at() -> None:
    aggregation = Aggregation()
    items = ScopeMetrics(metrics=[number("a", 1, 1)]).SerializeToString()
    for _ in range(2):
        aggregation.add_items(RESOURCE, SCOPE, items)
    aggregation.add_to_sum(RESOURCE, SCOPE, "own", "1", 1, 1)
    assert aggregation.clear() == 3
    assert not aggregation
    assert aggregation.collect_metrics() == []
    aggregation.add_items(RESOURCE, SCOPE, items)
    assert len(aggregation.collect_metrics()) == 1


def test_very_much_is_merged_before_a_flush() -> None:
    aggregation = Aggregation()
    items = ScopeMetrics(metrics=[number("a", 1, 1, kind="delta")]).SerializeToString()
    for _ in range(100_000):
        aggregation.add_items(RESOURCE, SCOPE, items)
    most_waiting = 1024 * 1024 // len(items) + 1
    entry_bytes = sys.getsizeof((RESOURCE, SCOPE, items)) + 10  # its share of a list that grows
    little_bytes = 16 * 1024  # the series and what is known of it
    assert memory_bytes(aggregation) <= most_waiting * entry_bytes + little_bytes
    aggregation.merge_if_large()
    assert memory_bytes(aggregation) <= little_bytes
    ((_, _, merged_items, count),) = aggregation.collect_metrics()
    assert count == 1
    (metric,) = ScopeMetrics.FromString(merged_items).metrics
    assert metric.sum.data_points[0].as_int == 100_000


def test_scopes_without_an_end_are_bounded_in_what_is_known_of_them() -> None:
    aggregation = Aggregation()
    most_bytes = of_100_bytes = 0
    for name in range(300):
        items = ScopeMetrics(metrics=[number("a", 1, 1, kind="delta")]).SerializeToString()
        aggregation.add_items(RESOURCE, encoded.scope(str(name)), items)
        assert len(aggregation.collect_metrics()) == 1
        most_bytes = max(most_bytes, memory_bytes(aggregation))
        if name == 99:
            of_100_bytes = most_bytes
    assert most_bytes <= 1.1 * of_100_bytes


def test_the_longer_description_is_kept_and_units_tell_metrics_apart() -> None:
    told = [("s", "short"), ("s", "not so short"), ("ms", "short"), ("s", "")]
    rounds = []
    for unit, description in told:
        metric = number("m", 1, 1, kind="delta")
        metric.unit, metric.description = unit, description
        rounds.append([metric])
    seconds, milliseconds = merged(rounds)
    assert (seconds.unit, seconds.description) == ("s", "not so short")
    assert seconds.sum.data_points[0].as_int == 3
    assert (milliseconds.unit, milliseconds.sum.data_points[0].as_int) == ("ms", 1)


def test_histograms_of_other_bounds_or_temporality_stay_apart() -> None:
    rounds = []
    for temporality, bound in ((1, 5.0), (1, 5.0), (1, 6.0), (2, 5.0), (2, 5.0)):
        metric = Metric(name="h")
        metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment] # an enum's number
        point = metric.histogram.data_points.add(count=1, sum=1, bucket_counts=[1, 0])
        point.explicit_bounds.append(bound)
        rounds.append([metric])
    deltas, totals = merged(rounds)
    found = {point.explicit_bounds[0]: point.count for point in deltas.histogram.data_points}
    assert found == {5.0: 2, 6.0: 1}
    assert [point.count for point in totals.histogram.data_points] == [1]


SIDES = st.dictionaries(st.integers(-200, 200), st.integers(1, 1 << 40), max_size=12)


@given(st.lists(st.tuples(st.integers(-4, 20), SIDES, SIDES, st.integers(0, 9)), min_size=1))
def test_exponential_buckets_of_both_signs_keep_every_count(
    told: list[tuple[int, dict[int, int], dict[int, int], int]],
) -> None:
    rounds = []
    for scale, positive, negative, zeros in told:
        metric = Metric(name="e")
        metric.exponential_histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
        point = metric.exponential_histogram.data_points.add(scale=scale, zero_count=zeros)
        for side, buckets in ((point.positive, positive), (point.negative, negative)):
            if buckets:
                side.offset = min(buckets)
                places = range(min(buckets), max(buckets) + 1)
                side.bucket_counts.extend(buckets.get(place, 0) for place in places)
        point.count = zeros + sum(positive.values()) + sum(negative.values())
        rounds.append([metric])
    (metric,) = merged(rounds)
    (one,) = metric.exponential_histogram.data_points
    assert one.zero_count == sum(zeros for *_, zeros in told)
    signs = (
        (one.positive, [(scale, positive) for scale, positive, _, _ in told]),
        (one.negative, [(scale, negative) for scale, _, negative, _ in told]),
    )
    for side, sides in signs:
        expected: dict[int, int] = {}
        for scale, buckets in sides:
            for place, count in buckets.items():
                shift = scale - one.scale
                assert shift >= 0
                expected[place >> shift] = expected.get(place >> shift, 0) + count
        counts = enumerate(side.bucket_counts, side.offset)
        assert {place: count for place, count in counts if count} == expected
        assert len(side.bucket_counts) <= 160 or len(rounds) == 1


def test_a_summary_goes_on_as_it_came() -> None:
    summary = Metric(name="s", summary=Summary(data_points=[SummaryDataPoint(count=1)]))
    assert merged([[summary], [summary]]) == [summary, summary]


def test_a_point_without_a_value_goes_on_as_it_came() -> None:
    silent = Metric(name="s", gauge=Gauge(data_points=[NumberDataPoint(flags=1)]))
    assert merged([[silent]]) == [silent]


@given(st.binary(max_size=60))
def test_garbage_is_counted_and_never_raises(data: bytes) -> None:
    aggregation = Aggregation()
    aggregation.add_items(RESOURCE, SCOPE, data)
    item = b"\x12" + bytes((len(data),)) + data
    aggregation.add_items(RESOURCE, SCOPE, item)
    for kind in (b"\x2a", b"\x3a", b"\x4a", b"\x52"):
        point = b"\x0a" + bytes((len(data),)) + data
        body = kind + bytes((len(point),)) + point
        aggregation.add_items(RESOURCE, SCOPE, b"\x12" + bytes((len(body),)) + body)
    aggregation.collect_metrics()
    assert not aggregation


def test_exemplars_are_the_latest_ten() -> None:
    rounds = []
    for value in range(15):
        metric = number("s", 1, value + 1, kind="delta")
        metric.sum.data_points[0].exemplars.add(as_int=value)
        rounds.append([metric])
    (metric,) = merged(rounds)
    kept = [exemplar.as_int for exemplar in metric.sum.data_points[0].exemplars]
    assert kept == list(range(5, 15))


@pytest.mark.parametrize("scale", [20, 0, -10, -30])
def test_counts_and_indices_that_no_function_reaches_do_not_stop_a_flush(scale: int) -> None:
    most = 2**64 - 1
    explicit, exponential = Metric(name="h"), Metric(name="e")
    point = explicit.histogram.data_points.add(count=most, sum=1)
    point.bucket_counts.append(most)
    for offset in (2**31 - 1, -(2**31)):
        other = exponential.exponential_histogram.data_points.add(
            count=most, sum=1, scale=scale, zero_count=most
        )
        other.positive.offset = other.negative.offset = offset
        other.positive.bucket_counts.append(most)
        other.negative.bucket_counts.append(1)
    explicit.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    exponential.exponential_histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    aggregation = Aggregation()
    for _ in range(2):
        aggregation.add_items(
            RESOURCE, SCOPE, ScopeMetrics(metrics=[explicit, exponential]).SerializeToString()
        )
    entries = aggregation.collect_metrics()
    found = [ScopeMetrics.FromString(items).metrics[0] for _, _, items, _ in entries]
    assert found[0].histogram.data_points[0].count == most
    buckets = found[1].exponential_histogram.data_points[0]
    assert buckets.zero_count == most
    assert len(buckets.positive.bucket_counts) <= 161


def test_counts_that_no_longer_fit_stay_at_the_most() -> None:
    most = (1 << 64) - 1
    metric = Metric(name="h")
    metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    metric.histogram.data_points.add(count=most, bucket_counts=[most, 0], explicit_bounds=[1.0])
    wide = Metric(name="e")
    wide.exponential_histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    point = wide.exponential_histogram.data_points.add(count=most, zero_count=most)
    point.positive.bucket_counts.append(most)
    histogram_, exponential = merged([[metric, wide]] * 2)
    assert list(histogram_.histogram.data_points[0].bucket_counts) == [most, 0]
    (found,) = exponential.exponential_histogram.data_points
    assert (found.count, found.zero_count) == (most, most)
    assert list(found.positive.bucket_counts) == [most]
