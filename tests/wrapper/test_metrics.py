"""Metrics of a function: with the OpenTelemetry API, and without any OpenTelemetry."""

from __future__ import annotations

import pytest

from serverless_instrument import wire
from serverless_instrument.wrapper.measurements import Measurements
from tests.wrapper.program import run

ALL_INSTRUMENTS = """
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import Observation
    meter = metrics.get_meter("shop", "1")
    counter = meter.create_counter("counter", "{order}", "orders")
    up_down = meter.create_up_down_counter("up_down")
    histogram = meter.create_histogram("histogram", "ms")
    gauge = meter.create_gauge("gauge", "By")
    meter.create_observable_counter("seen", [lambda options: [Observation(5, {"a": "b"})]])
    meter.create_observable_gauge("level", [lambda options: [Observation(0.5)]])
    def handler(event, context):
        counter.add(3, {"kind": "book"})
        up_down.add(-2)
        histogram.record(7.5)
        gauge.set(9)
        return format(trace.get_current_span().get_span_context().span_id, "016x")
"""


def test_all_instruments_at_the_end_of_each_invocation() -> None:
    outcome = run(ALL_INSTRUMENTS, [{}, {}])
    assert outcome.log == []
    counters = [metric for metric in outcome.metrics if metric.name == "counter"]
    assert [metric.sum.data_points[0].as_int for metric in counters] == [3, 3]
    assert {metric.sum.aggregation_temporality for metric in counters} == {1}
    assert (counters[0].unit, counters[0].description) == ("{order}", "orders")
    exemplars = [metric.sum.data_points[0].exemplars[0] for metric in counters]
    assert [each.span_id.hex() for each in exemplars] == outcome.results
    last = {metric.name: metric for metric in outcome.metrics}
    assert set(last) == {"counter", "up_down", "histogram", "gauge", "seen", "level"}
    assert last["up_down"].sum.aggregation_temporality == 2
    assert last["up_down"].sum.data_points[0].as_int == -4
    assert last["histogram"].histogram.data_points[0].sum == 7.5
    assert last["histogram"].histogram.data_points[0].min == 7.5
    assert last["gauge"].gauge.data_points[0].as_int == 9
    assert last["level"].gauge.data_points[0].as_double == 0.5


def test_the_functions_own_provider_with_views_is_collected_as_well() -> None:
    outcome = run(
        """
        from opentelemetry import metrics
        early = metrics.get_meter("early")
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
        view = View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())
        metrics.set_meter_provider(MeterProvider(views=[view], shutdown_on_exit=False))
        histogram = metrics.get_meter("shop").create_histogram("h")
        def handler(event, context):
            histogram.record(3)
        """,
        [{}],
    )
    (metric,) = outcome.metrics
    assert metric.exponential_histogram.data_points[0].count == 1
    assert outcome.log == []


def test_an_instrumentations_meter_does_not_load_the_sdk() -> None:
    outcome = run(
        """
        import sys
        from opentelemetry import metrics
        meter = metrics.get_meter("opentelemetry.instrumentation.urllib3")
        duration = meter.create_histogram("d")
        def handler(event, context):
            duration.record(1)
            return "opentelemetry.sdk.metrics" in sys.modules
        """,
        [{}],
    )
    assert outcome.result is False
    assert outcome.metrics == []


def test_metrics_without_opentelemetry() -> None:
    outcome = run(
        """
        import sys
        from serverless_instrument import metric
        def handler(event, context):
            for value in (1, 2, 30):
                metric("work.duration", value, unit="ms", attributes={"step": "one"})
            metric("orders", 3, unit="{order}", kind="counter")
            metric("queue", 8, kind="gauge")
            metric("queue", 4, kind="gauge")
            for bad in (None, "3", True, float("nan"), float("inf"), 10**400):
                metric("bad", bad)
            metric("bad.kind", 1, kind="meter")
            return "opentelemetry" in sys.modules
        """,
        [{}],
        log=None,
    )
    assert outcome.result is False
    found = {metric.name: metric for metric in outcome.metrics}
    assert set(found) == {"work.duration", "orders", "queue"}
    point = found["work.duration"].histogram.data_points[0]
    assert (point.count, point.sum, point.min, point.max) == (3, 33, 1, 30)
    assert list(point.bucket_counts)[:6] == [0, 2, 0, 0, 1, 0]
    assert found["orders"].sum.data_points[0].as_int == 3
    assert found["orders"].sum.is_monotonic
    assert found["queue"].gauge.data_points[0].as_int == 4
    assert len([line for line in outcome.log if "bad" in line]) == 2


@pytest.mark.parametrize("source", [ALL_INSTRUMENTS])
def test_metrics_that_are_not_exported_are_not_collected(source: str) -> None:
    assert run(source, [{}], OTEL_METRICS_EXPORTER="none").metrics == []


def test_a_loop_without_an_end_is_bounded() -> None:
    measurements = Measurements(0)
    for _ in range(20_005):
        measurements.record("a", 1, "", None, "counter")
    assert measurements.dropped == 5
    (kind, payload), (metrics, _) = wire.FrameReader().feed(measurements.take(1))
    assert (kind, wire.unpack_dropped(payload)) == (wire.DROPPED, (5, wire.METRICS))
    assert metrics == wire.METRICS
    assert measurements.take(2) == b""
