"""The real forwarder's enhanced metrics: of this very process, which speaks as the runtime."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from serverless_instrument import wire
from tests.forwarder.running import World, eventually, world
from tests.servers.raw_http import answer

if TYPE_CHECKING:
    from tests.servers.otlp_backend import OtlpBackend

pytestmark = pytest.mark.integration

MS = 1_000_000
SQS = wire.TRIGGERS.index("pubsub")
ON = {"OTEL_METRICS_EXPORTER": "otlp", "SERVERLESS_INSTRUMENT_FLUSH": "periodically,60000"}
OFF = {**ON, "SERVERLESS_INSTRUMENT_ENHANCED_METRICS": "false"}
EMPTY = wire.pack_batch(b"", b"", 0)


def request(kind: int, request_id: str, facts: int = SQS, failed_items: int = 0) -> bytes:
    now_ns = time.time_ns()
    deadline_ms = now_ns // MS + 60_000
    payload = wire.pack_request(request_id, now_ns, deadline_ms, EMPTY, facts, failed_items)
    return wire.frame(kind, payload)


def invoke(parts: World, request_id: str, end: bytes) -> None:
    """START and END at once, up to /next."""
    nexts = len(parts.api.nexts)
    parts.api.invoke(request_id)
    parts.runtime.send(request(wire.START, request_id), end)
    parts.api.wait_for_next(nexts + 1)


def switches(parts: World) -> int:
    """How often the forwarder's event loop has gone to sleep so far."""
    for line in Path(f"/proc/{parts.forwarder.pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError("no voluntary_ctxt_switches")


def metrics(backend: OtlpBackend) -> dict[str, Any]:
    """The enhanced metrics by name without the prefix; of each there must be one."""
    found: dict[str, Any] = {}
    for export in backend.exports:
        if export.signal != "metrics":
            continue
        for resource in ExportMetricsServiceRequest.FromString(export.body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name.startswith("aws.lambda."):
                        name = metric.name.removeprefix("aws.lambda.")
                        assert name not in found
                        found[name] = metric
    kinds = {"histogram": "histogram", "sum": "counter", "gauge": "gauge"}
    documents = documented()
    for name, metric in found.items():
        assert documents[name] == (kinds[metric.WhichOneof("data")], metric.unit)
    return found


def documented() -> dict[str, tuple[str, str]]:
    """(type, unit) of each enhanced metric that docs/metrics.md lists."""
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    found = {}
    for line in text.partition("## Enhanced metrics")[2].partition("\n## ")[0].splitlines():
        if line.startswith("| `"):
            names, kind, unit = line.split(" | ")[:3]
            for name in names.removeprefix("| ").split(", "):
                found[name.strip("`")] = (kind, unit.strip("`"))
    return found


def attributes(point: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in point.attributes}


HISTOGRAMS = {
    "cpu.core_utilization.max": "1",
    "cpu.core_utilization.min": "1",
    "cpu.system_time": "s",
    "cpu.total_time": "s",
    "cpu.user_time": "s",
    "cpu.utilization": "1",
    "file_descriptors.used": "{file_descriptor}",
    "memory.peak": "By",
    "network.received": "By",
    "network.sent": "By",
    "network.total": "By",
    "threads.used": "{thread}",
    "tmp.free": "By",
    "tmp.used": "By",
}
GAUGES = {
    "cpu.cores": "{cpu}",
    "file_descriptors.max": "{file_descriptor}",
    "threads.max": "{thread}",
    "tmp.max": "By",
}


def test_what_it_holds_while_it_runs(tmp_path: Path) -> None:
    with world(tmp_path, environ=ON) as parts:
        held = len(os.listdir("/proc/self/fd"))
        parts.api.invoke("r1")
        parts.runtime.send(request(wire.START, "r1"))
        eventually(parts.runtime.heard, "START is read")
        before = switches(parts)
        # One after START, or after what is still being loaded; the rest are looks.
        eventually(lambda: switches(parts) >= before + 3, "looks after START")
        pipes = [os.pipe() for _ in range(50)]
        own_s = time.process_time()
        while time.process_time() - own_s < 0.05:
            pass
        before = switches(parts)
        eventually(lambda: switches(parts) >= before + 2, "looks at what is held")
        for pipe in pipes:
            os.close(pipe[0])
            os.close(pipe[1])
        parts.runtime.send(request(wire.END, "r1"))
        parts.api.wait_for_next(2)
        parts.shut_down()
        found = metrics(parts.backend)
    units = {name: metric.unit for name, metric in found.items() if metric.HasField("histogram")}
    assert units == HISTOGRAMS
    units = {name: metric.unit for name, metric in found.items() if metric.HasField("gauge")}
    assert {
        "threads.max": "{thread}",
        "file_descriptors.max": "{file_descriptor}",
        **units,
    } == GAUGES
    points = {
        name: metric.histogram.data_points[0]
        for name, metric in found.items()
        if metric.HasField("histogram")
    }
    assert all(attributes(point) == {"faas.trigger": "pubsub"} for point in points.values())
    assert points["file_descriptors.used"].max >= held + 100
    assert points["cpu.total_time"].sum >= 0.05
    assert points["memory.peak"].max > 10_000_000
    assert 0 <= points["cpu.utilization"].max <= 1


@pytest.mark.parametrize("environ", [ON, OFF], ids=["on", "off"])
def test_an_environment_that_waits_is_not_woken(tmp_path: Path, environ: dict[str, str]) -> None:
    with world(tmp_path, environ=environ) as parts:
        invoke(parts, "r1", request(wire.END, "r1"))
        time.sleep(0.2)  # until what END has set off is over
        before = switches(parts)
        time.sleep(0.5)
        assert switches(parts) - before <= 1
        parts.shut_down()


def test_nor_is_one_that_runs_where_nobody_wants_to_know(tmp_path: Path) -> None:
    with world(tmp_path, environ=OFF) as parts:
        parts.api.invoke("r1")
        parts.runtime.send(request(wire.START, "r1"))
        time.sleep(0.2)
        before = switches(parts)
        time.sleep(0.5)
        assert switches(parts) - before <= 1
        parts.runtime.send(request(wire.END, "r1"))
        parts.api.wait_for_next(2)
        parts.shut_down()
        assert metrics(parts.backend) == {}


def test_an_end_that_never_comes_keeps_nobody_awake(tmp_path: Path) -> None:
    with world(tmp_path, environ=ON) as parts:
        # Two invocations overlap in no environment that has INVOKE: the first one's END was lost.
        parts.runtime.send(request(wire.START, "lost"))
        invoke(parts, "r1", request(wire.END, "r1"))
        time.sleep(0.2)
        before = switches(parts)
        time.sleep(0.5)
        assert switches(parts) - before <= 1
        parts.shut_down()


def test_invocations_beside_each_other_share_what_is_the_environments(tmp_path: Path) -> None:
    # As in Managed Instances, where there is no INVOKE.
    with world(tmp_path, environ=ON) as parts:
        other = parts.forwarder.connect()
        parts.runtime.send(request(wire.START, "r1"))
        other.send(request(wire.START, "r2"))
        eventually(lambda: parts.runtime.heard() and other.heard(), "both STARTs are heard of")
        before = switches(parts)
        eventually(lambda: switches(parts) >= before + 2, "looks at what is held")
        other.send(request(wire.END, "r2"))
        parts.runtime.send(request(wire.END, "r1"))
        eventually(lambda: switches(parts) >= before + 3, "END is heard of")
        parts.shut_down()
        found = metrics(parts.backend)
    assert found["cpu.total_time"].histogram.data_points[0].count == 2
    assert found["threads.used"].histogram.data_points[0].count == 2
    assert not [name for name in found if name.startswith("network") or "utilization" in name]


def test_counts(tmp_path: Path) -> None:
    with world(tmp_path, environ=ON) as parts:
        invoke(parts, "r1", request(wire.END, "r1", SQS, failed_items=3))
        invoke(parts, "r2", request(wire.END, "r2", SQS, failed_items=2))
        gone = SQS | wire.FACT_FAILED | wire.FACT_OUT_OF_MEMORY
        invoke(parts, "r3", request(wire.END, "r3", gone))
        parts.shut_down()
        found = metrics(parts.backend)
    counted = {}
    for name, metric in found.items():
        if metric.HasField("sum"):
            (point,) = metric.sum.data_points
            assert metric.sum.aggregation_temporality == 1
            assert metric.sum.is_monotonic
            counted[name] = (metric.unit, point.as_int, attributes(point))
    trigger = {"faas.trigger": "pubsub"}
    assert counted == {
        "batch_item_failures": ("{item}", 5, trigger),
        "out_of_memory": ("{invocation}", 1, trigger),
        "shutdowns": ("{shutdown}", 1, {"aws.lambda.shutdown.reason": "spindown"}),
    }
    assert found["threads.used"].histogram.data_points[0].count == 3


def test_an_environment_that_nobody_used(tmp_path: Path) -> None:
    with world(tmp_path, environ=ON) as parts:
        parts.shut_down()
        found = metrics(parts.backend)
    assert {name: metric.sum.data_points[0].as_int for name, metric in found.items()} == {
        "shutdowns": 1,
        "unused_inits": 1,
    }


def test_a_report_that_comes_twice_is_one(tmp_path: Path) -> None:
    with world(tmp_path, environ=ON, subscription=answer(200, "OK")) as parts:
        parts.api.wait(lambda: bool(parts.api.subscriptions), "a subscription")
        body = json.loads(parts.api.wait_for_subscription().body)
        port = int(body["destination"]["URI"].rpartition(":")[2])
        time_text = time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime())
        billed = {"billedDurationMs": 1000, "memorySizeMB": 1024, "maxMemoryUsedMB": 1024}
        record = {"requestId": "r1", "status": "error", "errorType": "Runtime.ExitError"}
        report = {
            "time": time_text,
            "type": "platform.report",
            "record": {**record, "metrics": billed},
        }
        invoke(parts, "r1", request(wire.END, "r1", SQS | wire.FACT_FAILED))
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/", json.dumps([report, report]))
            assert connection.getresponse().status == 200
            connection.close()
        parts.shut_down()
        found = metrics(parts.backend)
    price = 0.0000133334 if os.uname().machine == "aarch64" else 0.0000166667
    assert found["estimated_cost"].unit == "{USD}"
    assert found["estimated_cost"].sum.data_points[0].as_double == pytest.approx(price + 2e-7)
    assert found["billed_duration"].histogram.data_points[0].count == 1
    assert found["out_of_memory"].sum.data_points[0].as_int == 1


def test_a_price_that_is_none_is_said_once(tmp_path: Path) -> None:
    environ = {**ON, "SERVERLESS_INSTRUMENT_PRICES": "cheap"}
    with world(tmp_path, environ=environ) as parts:
        line = parts.forwarder.wait_for_line("SERVERLESS_INSTRUMENT_PRICES")
        assert 'SERVERLESS_INSTRUMENT_PRICES="cheap" is no price' in line
        invoke(parts, "r1", request(wire.END, "r1"))
        parts.shut_down()
        assert parts.forwarder.lines() == [line]
