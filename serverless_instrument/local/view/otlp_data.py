"""OTLP messages as plain data, for the terminal and for ``--json``. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

Data = dict[str, Any]


def each_span(
    request: ExportTraceServiceRequest,
) -> Iterator[tuple[Resource, InstrumentationScope, Span]]:
    """Every span of a request, with its resource and its scope."""
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for message in scope.spans:
                yield group.resource, scope.scope, message


def each_log_record(
    request: ExportLogsServiceRequest,
) -> Iterator[tuple[Resource, InstrumentationScope, LogRecord]]:
    """Every log record of a request, with its resource and its scope."""
    for group in request.resource_logs:
        for scope in group.scope_logs:
            for message in scope.log_records:
                yield group.resource, scope.scope, message


def span(resource: Resource, scope: InstrumentationScope, message: Span) -> Data:
    """A span: ids in hexadecimal, times in Unix nanoseconds, kind and status as words."""
    return {
        "name": message.name,
        "kind": Span.SpanKind.Name(message.kind).removeprefix("SPAN_KIND_"),
        "traceId": message.trace_id.hex(),
        "spanId": message.span_id.hex(),
        "parentSpanId": message.parent_span_id.hex() or None,
        "traceState": message.trace_state or None,
        "startTimeUnixNano": message.start_time_unix_nano,
        "endTimeUnixNano": message.end_time_unix_nano,
        "status": {
            "code": Status.StatusCode.Name(message.status.code).removeprefix("STATUS_CODE_"),
            "message": message.status.message or None,
        },
        "attributes": attributes(message.attributes),
        "events": [
            {
                "name": event.name,
                "timeUnixNano": event.time_unix_nano,
                "attributes": attributes(event.attributes),
            }
            for event in message.events
        ],
        "links": [
            {
                "traceId": link.trace_id.hex(),
                "spanId": link.span_id.hex(),
                "attributes": attributes(link.attributes),
            }
            for link in message.links
        ],
        "resource": attributes(resource.attributes),
        "scope": _scope(scope),
    }


def log_record(resource: Resource, scope: InstrumentationScope, message: LogRecord) -> Data:
    """A log record, its times in Unix nanoseconds."""
    return {
        "timeUnixNano": message.time_unix_nano,
        "observedTimeUnixNano": message.observed_time_unix_nano,
        "severityNumber": int(message.severity_number),
        "severityText": message.severity_text or None,
        "eventName": message.event_name or None,
        "body": value(message.body),
        "traceId": message.trace_id.hex() or None,
        "spanId": message.span_id.hex() or None,
        "attributes": attributes(message.attributes),
        "resource": attributes(resource.attributes),
        "scope": _scope(scope),
    }


def metric(resource: Resource, scope: InstrumentationScope, message: Metric) -> Data:
    """A metric with its data points, these as OTLP's JSON has them but attributes as a mapping."""
    kind = message.WhichOneof("data")
    data: Data = {
        "name": message.name,
        "unit": message.unit or None,
        "type": kind,
        "dataPoints": [],
        "resource": attributes(resource.attributes),
        "scope": _scope(scope),
    }
    if kind is None:
        return data
    body = getattr(message, kind)
    if hasattr(body, "aggregation_temporality"):
        data["aggregationTemporality"] = int(body.aggregation_temporality)
    for point in body.data_points:
        plain = json_format.MessageToDict(point)
        plain["attributes"] = attributes(point.attributes)
        data["dataPoints"].append(plain)
    return data


def attributes(pairs: Iterable[KeyValue]) -> Data:
    """Attributes as a mapping."""
    return {pair.key: value(pair.value) for pair in pairs}


def value(message: AnyValue) -> Any:
    """An attribute's value; bytes in base64, as in OTLP's JSON."""
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value(item) for item in message.array_value.values]
    if kind == "kvlist_value":
        return attributes(message.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(message.bytes_value).decode()
    return getattr(message, kind)


def traces(spans: Sequence[Data]) -> list[list[Data]]:
    """Spans grouped by trace, each trace and each group in the order of their start."""
    groups: dict[str, list[Data]] = {}
    for item in sorted(spans, key=lambda item: item["startTimeUnixNano"]):
        groups.setdefault(item["traceId"], []).append(item)
    return list(groups.values())


def _scope(scope: InstrumentationScope) -> Data:
    return {"name": scope.name, "version": scope.version or None}
