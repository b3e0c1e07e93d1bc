"""The FaaS metrics of the conventions: a cold start, a success, an error, a timeout."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.faas_metrics import proc_stats
from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics
from serverless_instrument.forwarder.faas_metrics.invocation_metrics import InvocationMetrics
from serverless_instrument.forwarder.faas_metrics.measurement import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    Measurement,
)
from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
from serverless_instrument.forwarder.faas_metrics.recorder import MetricRecorder
from serverless_instrument.forwarder.intake import Session
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event
from serverless_instrument.histogram_bounds import BYTES, SECONDS
from tests.forwarder import encoded, intakes

NOW_NS = 1_700_000_000_000_000_000
MS = 1_000_000
EMPTY = wire.pack_batch(b"", b"", 0)
HTTP = wire.TRIGGERS.index("http")


class Environment:
    """Usage that grows by a second of CPU and 100 bytes at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def usage(self) -> Usage:
        usage = Usage()
        self.looks += 1
        usage.cpu_user_s, usage.sent_bytes = self.looks / 4, self.looks * 3000
        return usage


class Invocations:
    """A connection, through which invocations are told."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.recorder = MetricRecorder(self.batch.metrics)
        # (CPU time in seconds, request id, end in Unix nanoseconds) of each invocation's usage.
        self.usage: list[tuple[float, str, int]] = []
        invocations = InvocationMetrics(self.recorder, Environment().usage, self)
        metrics = FunctionMetrics(invocations, proc_stats.UsageReader(enhanced=False))
        self.events = Dispatch()
        self.outcomes = Outcomes({}, self.batch, NOW_NS, metrics)
        self.outcomes.subscribe(self.events)
        metrics.subscribe(self.events)
        self.intake = intakes.intake(self.batch, outcomes=self.outcomes, metrics=metrics)
        self.session = Session()
        hello = wire.pack_hello(1, b"", encoded.resource())
        self.feed(wire.HELLO, hello)

    def record_usage(
        self, before: Usage | None, after: Usage | None, request_id: str, end_unix_ns: int
    ) -> None:
        if before is not None and after is not None:
            self.usage.append((after.cpu_s - before.cpu_s, request_id, end_unix_ns))

    def feed(self, kind: int, payload: bytes) -> None:
        _, defect = self.intake.read_frames(self.session, wire.frame(kind, payload))
        assert not defect

    def start(self, request_id: str, facts: int = HTTP, deadline_ms: int = 0) -> None:
        self.feed(wire.START, wire.pack_request(request_id, NOW_NS, deadline_ms, EMPTY, facts))

    def end(self, request_id: str, after_ms: int, facts: int = HTTP) -> None:
        payload = wire.pack_request(request_id, NOW_NS + after_ms * MS, 0, EMPTY, facts)
        self.feed(wire.END, payload)

    def platform(self, kind: str, **record: object) -> None:
        self.events.publish(Event(f"platform.{kind}", NOW_NS + 9000 * MS, record))

    def metrics(self) -> dict[str, Any]:
        found = {}
        for export in self.batch.take_exports():
            if export.signal != "metrics":
                continue
            for resource in ExportMetricsServiceRequest.FromString(export.body).resource_metrics:
                (scope,) = resource.scope_metrics
                assert scope.scope.name == "serverless_instrument"
                found.update({metric.name: metric for metric in scope.metrics})
        return found


def test_a_cold_start_a_success_an_error_and_a_timeout() -> None:
    told = Invocations()
    told.start("1", HTTP | wire.FACT_COLDSTART)
    told.end("1", 30)
    told.start("2")
    told.end("2", 300, HTTP | wire.FACT_FAILED)
    told.start("3", deadline_ms=NOW_NS // MS + 3000)
    told.intake.close_session(told.session, NOW_NS + 3000 * MS)
    told.platform("initReport", metrics={"durationMs": 80})
    told.platform("report", requestId="1", status="success", metrics={"maxMemoryUsedMB": 64})
    metrics = told.metrics()
    counters = {
        name: (metric.unit, metric.sum.data_points[0].as_int)
        for name, metric in metrics.items()
        if metric.HasField("sum")
    }
    assert counters == {
        "faas.coldstarts": ("{coldstart}", 1),
        "faas.errors": ("{error}", 2),
        "faas.invocations": ("{invocation}", 1),
        "faas.timeouts": ("{timeout}", 1),
    }
    histograms = {
        name: (
            metric.unit,
            metric.histogram.data_points[0].count,
            metric.histogram.data_points[0].sum,
        )
        for name, metric in metrics.items()
        if metric.HasField("histogram")
    }
    assert histograms == {
        "faas.cpu_usage": ("s", 3, 0.75),
        "faas.init_duration": ("s", 1, 0.08),
        "faas.invoke_duration": ("s", 3, 3.33),
        "faas.mem_usage": ("By", 1, 64 * 1024 * 1024),
        "faas.net_io": ("By", 3, 9000),
    }
    duration = metrics["faas.invoke_duration"].histogram
    assert duration.aggregation_temporality == 1
    assert tuple(duration.data_points[0].explicit_bounds) == SECONDS
    assert list(duration.data_points[0].bucket_counts) == [
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
    ]
    memory = metrics["faas.mem_usage"].histogram.data_points[0]
    assert tuple(memory.explicit_bounds) == BYTES
    (attribute,) = duration.data_points[0].attributes
    assert (attribute.key, attribute.value.string_value) == ("faas.trigger", "http")


def told_of(metric: Any) -> list[tuple[str, float]]:
    """(trigger, value or sum) of each point."""
    points = metric.sum.data_points if metric.HasField("sum") else metric.histogram.data_points
    return [
        (
            point.attributes[0].value.string_value,
            point.as_int if metric.HasField("sum") else point.sum,
        )
        for point in points
    ]


def test_the_report_of_an_init_waits_for_the_invocation_that_it_was_for() -> None:
    told = Invocations()
    told.platform("initReport", metrics={"durationMs": 80})
    assert told.metrics() == {}
    told.start("1", HTTP | wire.FACT_COLDSTART)
    assert told_of(told.metrics()["faas.init_duration"]) == [("http", 0.08)]


def test_the_report_of_an_init_without_an_invocation_leaves_at_the_end() -> None:
    told = Invocations()
    told.platform("initReport", metrics={"durationMs": 80})
    told.outcomes.finish()
    told.outcomes.finish()
    (point,) = told.metrics()["faas.init_duration"].histogram.data_points
    assert (point.sum, len(point.attributes)) == (0.08, 0)


def test_the_platform_says_how_a_runtime_went_before_it_is_counted() -> None:
    told = Invocations()
    told.outcomes.set_platform_reports(True)
    told.start("1")
    told.intake.close_session(told.session, NOW_NS + 100 * MS)
    assert told.metrics() == {}
    told.platform("runtimeDone", requestId="1", status="timeout")
    told.platform("report", requestId="1", status="timeout", metrics={"maxMemoryUsedMB": 64})
    metrics = told.metrics()
    assert told_of(metrics["faas.errors"]) == told_of(metrics["faas.timeouts"]) == [("http", 1)]
    assert told_of(metrics["faas.invoke_duration"]) == [("http", 9.0)]
    assert "faas.invocations" not in metrics


def test_an_invocation_that_never_began_is_an_error_and_a_cold_start() -> None:
    told = Invocations()
    told.events.publish(Event("platform.start", NOW_NS, {"requestId": "1"}))
    told.platform("runtimeDone", requestId="1", status="error", errorType="Runtime.ImportError")
    told.platform("report", requestId="1", status="error", metrics={"maxMemoryUsedMB": 1})
    metrics = told.metrics()
    assert told_of(metrics["faas.errors"]) == told_of(metrics["faas.coldstarts"]) == [("other", 1)]
    assert told_of(metrics["faas.invoke_duration"]) == [("other", 9.0)]
    assert {"faas.invocations", "faas.timeouts", "faas.cpu_usage"}.isdisjoint(metrics)


def test_a_thousand_invocations_make_as_many_points_as_one() -> None:
    def points(count: int) -> int:
        told = Invocations()
        for number in range(count):
            told.start(str(number))
            told.end(str(number), number)
        (export,) = told.batch.take_exports()
        return export.count

    assert points(1000) == points(1) == 4


def test_an_end_without_a_start_counts_nothing() -> None:
    told = Invocations()
    told.end("1", 3)
    assert told.metrics() == {}


def test_events_of_any_shape_are_ignored() -> None:
    told = Invocations()
    told.start("1")
    shapes: tuple[object, ...] = (
        {"maxMemoryUsedMB": "x"},
        {"maxMemoryUsedMB": True},
        {},
        [],
        {"maxMemoryUsedMB": -1},
    )
    for metrics in shapes:
        told.platform("report", metrics=metrics, requestId=1)
    told.platform("initReport", metrics={"durationMs": None})
    told.events.publish(Event("platform.report", NOW_NS, "text"))
    assert told.metrics() == {}


def test_usage_of_this_machine_grows() -> None:
    before = proc_stats.usage()
    total = sum(number * number for number in range(1_000_000))
    after = proc_stats.usage()
    assert total
    assert before is not None
    assert after is not None
    assert after.cpu_s > before.cpu_s > 0
    assert after.cores == len(after.idle_s) > 0
    assert after.network_bytes >= before.network_bytes


class Recording(Invocations):
    """Invocations of whose usage more metrics are recorded."""

    def record_usage(
        self, before: Usage | None, after: Usage | None, request_id: str, end_unix_ns: int
    ) -> None:
        super().record_usage(before, after, request_id, end_unix_ns)
        of_invocation = (end_unix_ns, request_id)
        for measurement in (
            Measurement(COUNTER, "more.count", "{one}", 2, *of_invocation, (("a", "b"),)),
            Measurement(HISTOGRAM, "more.time", "s", 0.5, *of_invocation),
            Measurement(GAUGE, "more.level", "By", 7, end_unix_ns),
        ):
            self.recorder.record(measurement)


def test_what_is_recorded_of_usage_belongs_to_the_flush_that_asks() -> None:
    told = Recording()
    told.start("1")
    told.end("1", 30)
    assert told.usage == []
    metrics = told.metrics()
    assert told.usage == [(0.25, "1", NOW_NS + 30 * MS)]
    (point,) = metrics["more.count"].sum.data_points
    assert [pair.key for pair in point.attributes] == ["a", "faas.trigger"]
    assert point.as_int == 2
    assert told_of(metrics["more.time"]) == [("http", 0.5)]
    assert metrics["more.level"].gauge.data_points[0].as_int == 7


def test_a_flush_between_start_and_end_sends_nothing_of_it() -> None:
    told = Invocations()
    told.start("1")
    assert not told.batch
    assert told.metrics() == {}
    told.end("1", 30)
    assert told.batch
    assert told_of(told.metrics()["faas.invocations"]) == [("http", 1)]


def test_intervals_of_flushes_follow_each_other() -> None:
    told = Invocations()
    told.batch.metrics.since_unix_ns = NOW_NS - 5 * MS
    intervals = []
    for number in range(1, 4):
        told.start(str(number))
        told.end(str(number), number * 10)
        (point,) = told.metrics()["faas.invocations"].sum.data_points
        intervals.append((point.start_time_unix_nano, point.time_unix_nano))
    ends = [NOW_NS + after * MS for after in (-5, 10, 20, 30)]
    assert intervals == list(pairwise(ends))


def test_what_is_told_without_a_flush_is_bounded() -> None:
    told = Invocations()
    for number in range(5000):
        told.start(str(number))
        told.end(str(number), 1)
        assert told.recorder.deferred_count < 200
    for number in range(5000):
        told.platform("report", requestId=str(number), metrics={"maxMemoryUsedMB": 64})
        assert told.recorder.deferred_count <= 2048
    metrics = told.metrics()
    assert told_of(metrics["faas.invocations"]) == [("http", 5000)]
    assert metrics["faas.mem_usage"].histogram.data_points[-1].count > 0
    assert sum(p.count for p in metrics["faas.mem_usage"].histogram.data_points) == 5000
