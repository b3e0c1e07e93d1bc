"""The FaaS metrics of the conventions: a cold start, a success, an error, a timeout."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from serverless_instrument import wire
from serverless_instrument.forwarder import proc_stats
from serverless_instrument.forwarder.batch import Batch
from serverless_instrument.forwarder.faas_metrics import BYTES, SECONDS, FaasMetrics
from serverless_instrument.forwarder.intake import Intake, Session
from tests.forwarder import encoded

NOW_NS = 1_700_000_000_000_000_000
MS = 1_000_000
EMPTY = wire.pack_batch(b"", b"", 0)
HTTP = wire.TRIGGERS.index("http")


class Environment:
    """Usage that grows by a second of CPU and 100 bytes at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def usage(self) -> proc_stats.Usage:
        usage = proc_stats.Usage()
        self.looks += 1
        usage.cpu_user_s, usage.sent_bytes = self.looks / 4, self.looks * 3000
        return usage


class Invocations:
    """A connection, through which invocations are told."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.intake = Intake(self.batch)
        self.intake.faas = FaasMetrics(self.batch, Environment().usage)
        self.session = Session()
        hello = wire.pack_hello(1, b"", encoded.resource())
        self.feed(wire.HELLO, hello)

    def feed(self, kind: int, payload: bytes) -> None:
        _, defect = self.intake.feed(self.session, wire.frame(kind, payload))
        assert not defect

    def start(self, request_id: str, facts: int = HTTP, deadline_ms: int = 0) -> None:
        self.feed(wire.START, wire.pack_request(request_id, NOW_NS, deadline_ms, EMPTY, facts))

    def end(self, request_id: str, after_ms: int, facts: int = HTTP) -> None:
        payload = wire.pack_request(request_id, NOW_NS + after_ms * MS, 0, EMPTY, facts)
        self.feed(wire.END, payload)

    def metrics(self) -> dict[str, Any]:
        found = {}
        for export in self.batch.take():
            assert export.signal == "metrics"
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
    told.intake.closed(told.session, NOW_NS + 3000 * MS)
    assert told.intake.faas is not None
    told.intake.faas.platform("platform.initReport", {"metrics": {"durationMs": 80}}, NOW_NS)
    report = {"requestId": "1", "metrics": {"maxMemoryUsedMB": 64}}
    told.intake.faas.platform("platform.report", report, NOW_NS)
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


def test_a_thousand_invocations_make_as_many_points_as_one() -> None:
    def points(count: int) -> int:
        told = Invocations()
        for number in range(count):
            told.start(str(number))
            told.end(str(number), number)
        (export,) = told.batch.take()
        return export.count

    assert points(1000) == points(1) == 4


def test_an_end_without_a_start_counts_nothing() -> None:
    told = Invocations()
    told.end("1", 3)
    assert told.metrics() == {}


def test_events_of_any_shape_are_ignored() -> None:
    told = Invocations()
    told.start("1")
    assert told.intake.faas is not None
    shapes: tuple[object, ...] = ({"maxMemoryUsedMB": "x"}, {}, [], {"maxMemoryUsedMB": -1})
    for metrics in shapes:
        told.intake.faas.platform("platform.report", {"metrics": metrics, "requestId": 1}, NOW_NS)
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
