"""The real forwarder's metrics: of invocations, of the function's own, and what they hold up."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA, Metric

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery.self_report import scope as own_scope
from tests.forwarder import encoded
from tests.forwarder.running import WAIT_S, World, world
from tests.servers.otlp_backend import OK, Export
from tests.servers.raw_http import answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp_backend import OtlpBackend

pytestmark = pytest.mark.integration

MS = 1_000_000
HTTP = wire.TRIGGERS.index("http")
# What is beyond the FaaS metrics has its own file, test_process_enhanced.py.
ON = {"OTEL_METRICS_EXPORTER": "otlp", "SERVERLESS_INSTRUMENT_ENHANCED_METRICS": "false"}
AT_END = {**ON, "SERVERLESS_INSTRUMENT_FLUSH": "end"}
IN_BATCHES = {**ON, "SERVERLESS_INSTRUMENT_FLUSH": "periodically,60000"}


def request(kind: int, request_id: str, time_ns: int, facts: int, deadline_ms: int = 0) -> bytes:
    """A START or END frame of an invocation that is not sampled."""
    empty = wire.pack_batch(b"", b"", 0)
    return wire.frame(kind, wire.pack_request(request_id, time_ns, deadline_ms, empty, facts))


def counter(value: int) -> bytes:
    """A METRICS frame of one counter of the function's own."""
    metric = Metric(name="orders", unit="{order}")
    metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    metric.sum.is_monotonic = True
    metric.sum.data_points.add(as_int=value, time_unix_nano=time.time_ns())
    items = wire.field(b"\x12", metric.SerializeToString())
    return wire.batch_frame(wire.METRICS, encoded.scope("shop"), items, 1)


class Invocations:
    """Invocations of a runtime, up to /next."""

    def __init__(self, parts: World) -> None:
        self._parts = parts
        self._count = 0

    def __call__(self, facts: int = HTTP, *, failed: bool = False, frames: bytes = b"") -> float:
        """One of 30 ms; seconds from END to /next."""
        self._count += 1
        request_id, nexts = f"r{self._count}", len(self._parts.api.nexts)
        now_ns = time.time_ns()
        self._parts.api.invoke(request_id)
        self._parts.runtime.send(request(wire.START, request_id, now_ns, facts), frames)
        end = request(
            wire.END, request_id, now_ns + 30 * MS, facts | (wire.FACT_FAILED if failed else 0)
        )
        ended_s = time.monotonic()
        self._parts.runtime.send(encoded.logs(["a line"]), end)
        return self._parts.api.wait_for_next(nexts + 1).received_s - ended_s


def points(backend: OtlpBackend) -> dict[str, list[Any]]:
    """Data points by (name, unit), without the forwarder's own figures."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for export in backend.exports:
        if export.signal != "metrics":
            continue
        for resource in ExportMetricsServiceRequest.FromString(export.body).resource_metrics:
            for scope in resource.scope_metrics:
                if scope.scope.SerializeToString() not in own_scope():
                    for metric in scope.metrics:
                        data = metric.sum if metric.HasField("sum") else metric.histogram
                        found[f"{metric.name} {metric.unit}"] += data.data_points
    return dict(found)


def totals(backend: OtlpBackend) -> dict[str, float]:
    """Sums of deltas; of a histogram, its count."""
    return {
        name: sum(getattr(point, "count", 0) or getattr(point, "as_int", 0) for point in of_name)
        for name, of_name in points(backend).items()
    }


EXPECTED = {
    "faas.coldstarts {coldstart}": 1,
    "faas.cpu_usage s": 3,
    "faas.errors {error}": 1,
    "faas.invocations {invocation}": 2,
    "faas.invoke_duration s": 3,
    "faas.net_io By": 3,
    "orders {order}": 9,
}


@pytest.mark.parametrize("environ", [AT_END, IN_BATCHES], ids=["at end", "in batches"])
def test_three_invocations(tmp_path: Path, environ: dict[str, str]) -> None:
    with world(tmp_path, environ=environ) as parts:
        invoke = Invocations(parts)
        invoke(HTTP | wire.FACT_COLDSTART, frames=counter(3))
        invoke(frames=counter(3))
        invoke(failed=True, frames=counter(3))
        parts.shut_down()
        assert totals(parts.backend) == EXPECTED
        durations = points(parts.backend)["faas.invoke_duration s"]
        assert sum(point.sum for point in durations) == pytest.approx(0.09)
        (attribute,) = durations[0].attributes
        assert (attribute.key, attribute.value.string_value) == ("faas.trigger", "http")
        if environ is IN_BATCHES:
            # One point each, whatever the number of invocations.
            assert {len(of_name) for of_name in points(parts.backend).values()} == {1}
            (orders,) = points(parts.backend)["orders {order}"]
            assert orders.as_int == 9
        assert parts.forwarder.lines() == []


def test_a_thousand_invocations_make_points_by_flush(tmp_path: Path) -> None:
    """Ten values in each; 20 flushes until the rate is known, then one in ten seconds."""
    with world(tmp_path, environ=ON) as parts:
        invoke = Invocations(parts)
        ten = b"".join([counter(3) for _ in range(10)])
        began_s = time.monotonic()
        for _ in range(1000):
            invoke(frames=ten)
        took_s = time.monotonic() - began_s
        parts.shut_down()
        flushes = [export for export in parts.backend.exports if export.signal == "metrics"]
        assert len(flushes) <= 20 + took_s / 10 + 2
        found = points(parts.backend)
        assert totals(parts.backend)["faas.invocations {invocation}"] == 1000
        assert totals(parts.backend)["orders {order}"] == 30_000
        for name, of_name in found.items():
            assert len(of_name) <= len(flushes), name


@pytest.mark.timing
def test_ten_values_in_each_of_a_thousand_invocations_cost_little(tmp_path: Path) -> None:
    with world(tmp_path, environ=ON) as parts:
        invoke = Invocations(parts)
        ten = b"".join([counter(3) for _ in range(10)])
        cpu_s = parts.forwarder.cpu_s()
        for _ in range(1000):
            invoke(frames=ten)
        cpu_ms = (parts.forwarder.cpu_s() - cpu_s) * 1000 / 1000
        # Twice what it takes where nothing else runs.
        assert cpu_ms < 2


def test_lost_metrics_are_told_by_reason(tmp_path: Path) -> None:
    with world(tmp_path, environ=AT_END) as parts:
        garbage = wire.batch_frame(wire.METRICS, encoded.scope("shop"), b"\xff\xff", 1)
        Invocations(parts)(frames=garbage + wire.dropped_frame(4, wire.METRICS))
        parts.shut_down()
        (line,) = parts.forwarder.lines()
        assert "5 items were not delivered" in line
        assert "4 metrics (too many values in an invocation)" in line
        assert "1 metrics (malformed)" in line


def test_a_crash_and_a_timeout(tmp_path: Path) -> None:
    with world(tmp_path, environ=AT_END) as parts:
        for number, left_ms in enumerate((60_000, 0)):
            runtime = parts.runtime if number == 0 else parts.forwarder.connect()
            now_ns = time.time_ns()
            nexts = len(parts.api.nexts)
            parts.api.invoke(f"r{number}")
            deadline_ms = now_ns // MS + left_ms
            runtime.send(request(wire.START, f"r{number}", now_ns, HTTP, deadline_ms))
            runtime.die()
            parts.api.wait_for_next(nexts + 1)
        parts.shut_down()
        found = totals(parts.backend)
        assert found["faas.errors {error}"] == 2
        assert found["faas.timeouts {timeout}"] == 1
        assert found["faas.invoke_duration s"] == 2
        assert "faas.invocations {invocation}" not in found


@pytest.mark.parametrize("enhanced", ["", "false"])
def test_what_the_platform_reports(tmp_path: Path, enhanced: str) -> None:
    environ = {**AT_END, "SERVERLESS_INSTRUMENT_ENHANCED_METRICS": enhanced}
    with world(tmp_path, environ=environ, subscription=answer(200, "OK")) as parts:
        parts.api.wait(lambda: bool(parts.api.subscriptions), "a subscription")
        body = json.loads(parts.api.wait_for_subscription().body)
        port = int(body["destination"]["URI"].rpartition(":")[2])
        report = {"requestId": "r1", "metrics": {"maxMemoryUsedMB": 64, "billedDurationMs": 31}}

        def post(kind: str, record: object) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            now = time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime())
            events = json.dumps([{"time": now, "type": kind, "record": record}])
            connection.request("POST", "/", events)
            assert connection.getresponse().status == 200
            connection.close()

        post("platform.initReport", {"metrics": {"durationMs": 250}})
        Invocations(parts)(HTTP | wire.FACT_COLDSTART)
        post("platform.report", report)
        parts.shut_down()
        (init,) = points(parts.backend)["faas.init_duration s"]
        assert (init.sum, init.attributes[0].value.string_value) == (0.25, "http")
        (memory,) = points(parts.backend)["faas.mem_usage By"]
        assert memory.sum == 64 * 1024 * 1024
        assert memory.attributes[0].value.string_value == "http"
        billed = points(parts.backend).get("aws.lambda.billed_duration s", [])
        assert [point.sum for point in billed] == ([] if enhanced else [0.031])


def test_metrics_are_waited_for_beside_the_rest_and_not_after_it(tmp_path: Path) -> None:
    """Frozen with its answer outstanding, a request would be sent again, and its sums doubled."""
    with world(tmp_path, environ=AT_END) as parts:
        invoke = Invocations(parts)
        invoke()
        both = threading.Barrier(2)

        def respond(_: Export) -> bytes:
            both.wait(WAIT_S)  # neither is answered before the other has come
            return OK

        parts.backend.respond = respond
        invoke()
        assert {export.signal for export in parts.backend.exports[2:]} == {"logs", "metrics"}
        assert len(parts.backend.exports) == 4
        parts.shut_down()
        assert totals(parts.backend)["faas.invocations {invocation}"] == 2


def test_none_are_counted_where_none_are_wanted(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        Invocations(parts)(frames=counter(3))
        parts.shut_down()
        assert {export.signal for export in parts.backend.exports} == {"logs"}
