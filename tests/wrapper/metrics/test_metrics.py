"""Metrics of a function: with the OpenTelemetry API, and without any OpenTelemetry."""

from __future__ import annotations

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics
from opentelemetry.sdk.metrics import MeterProvider

from serverless_instrument import wire
from serverless_instrument.wrapper.metrics.measurements import Measurements
from serverless_instrument.wrapper.metrics.metric_reader import make
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


FORKING = """
    import os
    from opentelemetry import metrics
    from serverless_instrument import metric
    counter = metrics.get_meter("shop").create_counter("api")
    def handler(event, context):
        counter.add(1)
        metric("own", 1, kind="counter")
        child = os.fork()
        counter.add(10)
        metric("own", 10, kind="counter")
        if not child:
            metrics.get_meter_provider().force_flush()
            os._exit(0)
        return os.waitpid(child, 0)[1]
"""


def test_a_child_sends_what_it_has_measured_and_the_parent_the_rest() -> None:
    outcome = run(FORKING, [{}, {}])
    assert outcome.results == [0, 0]
    sums: dict[str, list[int]] = {"api": [], "own": []}
    for metric in outcome.metrics:
        sums[metric.name].append(metric.sum.data_points[0].as_int)
    # A child that ends without a flush leaves nothing: the invocation's end is the parent's.
    assert sorted(sums["api"]) == [10, 10, 11, 11]
    assert sums["own"] == [11, 11]


def test_a_flush_and_a_shutdown_of_the_functions() -> None:
    outcome = run(
        """
        from opentelemetry import metrics
        counter = metrics.get_meter("shop").create_counter("c")
        def handler(event, context):
            counter.add(1)
            flushed = metrics.get_meter_provider().force_flush(1000)
            counter.add(2)
            if event["end"]:
                metrics.get_meter_provider().shutdown()
                counter.add(4)
            return flushed
        """,
        [{"end": False}, {"end": True}, {"end": False}],
    )
    assert outcome.results == [True, True, True]
    assert [metric.sum.data_points[0].as_int for metric in outcome.metrics] == [1, 2, 1, 2]


@pytest.mark.parametrize("ended", ["force_flush", "shutdown"])
def test_a_flush_and_a_shutdown_of_the_functions_own_provider(ended: str) -> None:
    outcome = run(
        f"""
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        provider = MeterProvider(shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
        counter = metrics.get_meter("shop").create_counter("c")
        def handler(event, context):
            counter.add(1)
            provider.{ended}()
            counter.add(2)
        """,
        [{}],
        log=None,
    )
    # A reader that was added later is none of those that it flushes: the invocation's end does.
    assert sum(metric.sum.data_points[0].as_int for metric in outcome.metrics) == 3
    assert not [line for line in outcome.log if "Traceback" in line]


def test_a_reader_keeps_what_a_flush_or_the_end_of_its_provider_has_collected() -> None:
    reader = make("delta")
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("shop").create_counter("c")
    counter.add(1)
    provider.force_flush()
    counter.add(2)
    assert values(reader.take()) == [1, 2]
    assert reader.take() == b""
    counter.add(4)
    provider.shutdown()
    assert values(reader.take()) == [4]
    assert reader.take() == b""


def test_a_readers_child_leaves_what_was_collected_to_the_parent() -> None:
    reader = make("delta")
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("s").create_counter("c")
    counter.add(1)
    provider.force_flush()
    reader.after_fork()
    counter.add(2)
    assert values(reader.take()) == [2]


def values(data: bytes) -> list[int]:
    """Of the first point of each metric."""
    found: list[int] = []
    for _, payload in wire.FrameReader().feed(data):
        _, items, _ = wire.unpack_batch(payload)
        found.extend(m.sum.data_points[0].as_int for m in ScopeMetrics.FromString(items).metrics)
    return found


@pytest.mark.parametrize(
    ("chosen", "count"), [("", 1), ("trace_based", 1), ("ALWAYS_OFF", 0), ("sometimes", 1)]
)
def test_the_exemplar_filter(chosen: str, count: int) -> None:
    outcome = run(
        """
        from opentelemetry import metrics
        counter = metrics.get_meter("shop").create_counter("c")
        def handler(event, context):
            counter.add(1)
        """,
        [{}],
        log=None,
        OTEL_METRICS_EXEMPLAR_FILTER=chosen,
    )
    (metric,) = outcome.metrics
    assert len(metric.sum.data_points[0].exemplars) == count
    said = (
        'serverless-instrument: OTEL_METRICS_EXEMPLAR_FILTER="sometimes" is not known, using '
        "trace_based: set it to trace_based, always_on or always_off"
    )
    assert outcome.log == ([said] if chosen == "sometimes" else [])


def test_threads_that_record_their_first_values_at_once() -> None:
    outcome = run(
        """
        import threading
        from serverless_instrument import metric
        def work():
            for _ in range(100):
                metric("c", 1, kind="counter")
        def handler(event, context):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """,
        [{}, {}],
    )
    assert [metric.sum.data_points[0].as_int for metric in outcome.metrics] == [800, 800]


def test_what_is_measured_while_the_module_loads_belongs_to_the_first_invocation() -> None:
    outcome = run(
        """
        from serverless_instrument import metric
        metric("loaded", 1, kind="counter")
        def handler(event, context):
            pass
        """,
        [{}, {}],
    )
    assert [metric.name for metric in outcome.metrics] == ["loaded"]
