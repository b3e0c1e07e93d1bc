"""Frames of the SDK's metrics, compared with the official encoder on the same measurements."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.trace import use_span

from serverless_instrument import wire
from serverless_instrument.wrapper.metrics import metric_encoder
from serverless_instrument.wrapper.metrics.metric_reader import make_reader, temporality
from tests.wrapper import decoded
from tests.wrapper.metrics.test_meter import ATTRIBUTES, VALUES, context, points, read

STEPS = st.lists(st.tuples(st.integers(0, 4), VALUES, ATTRIBUTES), max_size=12)


class Both:
    """One provider with two readers: ours and the SDK's."""

    def __init__(self, preference: str = "delta") -> None:
        self.ours = make_reader(preference)
        self._theirs = InMemoryMetricReader(temporality(preference))
        views = [View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation())]
        self._provider = MeterProvider(
            [self.ours, self._theirs], views=views, shutdown_on_exit=False
        )
        meter = self._provider.get_meter("shop", "1", "https://example.com/schema")
        self.instruments: list[Any] = [
            meter.create_counter("c", "{order}", "orders"),
            meter.create_up_down_counter("u"),
            meter.create_histogram("h", "ms"),
            meter.create_histogram("e"),
            meter.create_gauge("g"),
        ]
        meter.create_observable_gauge("o", [lambda _: [Observation(0.5, {"a": "b"})]])

    def record(self, number: int, value: float, attribute: object) -> None:
        instrument = self.instruments[number]
        verb = next(name for name in ("add", "record", "set") if hasattr(instrument, name))
        value = abs(value) if number in (0, 2, 3) else value
        getattr(instrument, verb)(value, None if attribute is None else {"key": attribute})

    def collected(self) -> tuple[list[Any], list[Any]]:
        data = self._theirs.get_metrics_data()
        assert data is not None
        (resource,) = encode_metrics(data).resource_metrics
        (scope,) = resource.scope_metrics
        return read(self.ours.take_metric_frames()), list(scope.metrics)


@given(st.lists(STEPS, min_size=1, max_size=3), st.sampled_from(["delta", "cumulative"]))
@settings(max_examples=settings().max_examples // 2)
def test_points_as_the_official_encoder_makes_them(
    rounds: list[list[tuple[int, float, object]]], preference: str
) -> None:
    both = Both(preference)
    for steps in rounds:
        with use_span(context(5)):
            for step in steps:
                both.record(*step)
        mine, theirs = both.collected()
        exemplars = [sorted(map(str, all_exemplars(found))) for found in (mine, theirs)]
        assert exemplars[0] == exemplars[1]
        assert points(mine) == points(theirs)


def all_exemplars(found: list[Any]) -> list[Any]:
    # A reservoir keeps a random one of several, except where it has one for each bucket.
    return [
        exemplar
        for metric in found
        if metric.name == "h"
        for point in metric.histogram.data_points
        for exemplar in point.exemplars
    ]


def test_texts_and_attributes_that_are_known_are_forgotten_in_time() -> None:
    tracemalloc.start()
    try:
        kept_bytes = []
        for start in range(0, 20_000, 500):
            for number in range(start, start + 500):
                metric_encoder.head(f"name {number}", "", "")
            kept_bytes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # Of 20,000 no more at any time than of the first few thousand.
    assert max(kept_bytes) <= 1.1 * max(kept_bytes[:10])


def test_a_metric_of_very_many_points_takes_several_frames() -> None:
    both = Both()
    for number in range(4000):
        both.record(2, 1, f"{number:04}" + "x" * 600)
    frames = list(decoded.frames(both.ours.take_metric_frames()))
    assert len(frames) > 1
    found = [metric for kind, payload in frames for metric in read(wire.frame(kind, payload))]
    assert sum(len(metric.histogram.data_points) for metric in found) == 4000


def test_a_histogram_of_which_little_is_known() -> None:
    point = metric_encoder.histogram_point(None, 1, 2, (0, 0.0, None, None), (), ())
    (item,) = metric_encoder.encode_metric(("h", "", ""), metric_encoder.HISTOGRAM, [point])
    (metric,) = ScopeMetrics.FromString(item).metrics
    (found,) = metric.histogram.data_points
    assert (found.count, found.HasField("sum"), found.HasField("min")) == (0, True, False)
    assert (list(found.bucket_counts), list(found.explicit_bounds)) == ([], [])
