"""Telemetry as the runtime encodes it, made with the official messages; strategies for it."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from serverless_instrument import wire

TRACE_ID = bytes(range(16))

Request = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
REQUESTS: dict[str, type[Request]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


def resource(service: str = "checkout") -> bytes:
    """An encoded Resource."""
    value = AnyValue(string_value=service)
    return Resource(attributes=[KeyValue(key="service.name", value=value)]).SerializeToString()


def scope(name: str = "test", schema_url: str = "") -> bytes:
    """The tagged scope and schema_url fields of a ScopeSpans."""
    return ScopeSpans(
        scope=InstrumentationScope(name=name), schema_url=schema_url
    ).SerializeToString()


def span(name: str, number: int = 1) -> Span:
    """An unfinished invocation span, as START carries it."""
    return Span(
        trace_id=TRACE_ID,
        span_id=number.to_bytes(8, "big"),
        name=name,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=1_700_000_000_000_000_000 + number,
        status=Status(code=Status.STATUS_CODE_ERROR),
    )


def items(signal: str, names: list[str]) -> bytes:
    """Tagged items of `signal`, one for each of `names`."""
    if signal == "traces":
        spans = [span(name, number) for number, name in enumerate(names, 1)]
        return ScopeSpans(spans=spans).SerializeToString()
    if signal == "logs":
        records = [LogRecord(body=AnyValue(string_value=name)) for name in names]
        return ScopeLogs(log_records=records).SerializeToString()
    return ScopeMetrics(metrics=[Metric(name=name) for name in names]).SerializeToString()


def batch(signal: str, names: list[str], scope_name: str = "test") -> bytes:
    """A batch payload of SPANS, LOGS or METRICS."""
    return wire.pack_batch(scope(scope_name), items(signal, names), len(names))


def hello(service: str = "checkout", pid: int = 1) -> bytes:
    """A HELLO frame."""
    return wire.frame(wire.HELLO, wire.pack_hello(pid, b"", resource(service)))


def start(request_id: str, name: str = "invocation", deadline_unix_ms: int = 0) -> bytes:
    """A START frame with an unfinished span called `name`."""
    payload = wire.pack_batch(scope(), span(name).SerializeToString(), 1)
    return wire.frame(wire.START, wire.pack_request(request_id, 5, deadline_unix_ms, payload))


def end(request_id: str, name: str = "invocation") -> bytes:
    """An END frame with a finished span called `name`."""
    payload = batch("traces", [name])
    return wire.frame(wire.END, wire.pack_request(request_id, 6, 0, payload))


def logs(names: list[str]) -> bytes:
    """A LOGS frame."""
    return wire.frame(wire.LOGS, batch("logs", names))


class Item(NamedTuple):
    """Where one item was found."""

    service: str
    scope: str
    schema_url: str
    name: str


def found(signal: str, body: bytes) -> list[Item]:
    """The items of an encoded export request, in its order."""
    request = REQUESTS[signal].FromString(body)
    if isinstance(request, ExportTraceServiceRequest):
        return [
            Item(_service(of.resource), part.scope.name, part.schema_url, one.name)
            for of in request.resource_spans
            for part in of.scope_spans
            for one in part.spans
        ]
    if isinstance(request, ExportLogsServiceRequest):
        return [
            Item(_service(of.resource), part.scope.name, part.schema_url, one.body.string_value)
            for of in request.resource_logs
            for part in of.scope_logs
            for one in part.log_records
        ]
    return [
        Item(_service(of.resource), part.scope.name, part.schema_url, one.name)
        for of in request.resource_metrics
        for part in of.scope_metrics
        for one in part.metrics
    ]


def _service(of: Resource) -> str:
    return of.attributes[0].value.string_value if of.attributes else ""


SIGNALS = st.sampled_from(["traces", "logs", "metrics"])
NAMES = st.lists(st.text("abc", max_size=3), max_size=4)


def pair(key: str, text: str) -> KeyValue:
    """An attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=text))
