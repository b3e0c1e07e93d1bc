"""What was encoded, read back with the official messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from serverless_instrument import wire, wire_payloads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord


def value(encoded: bytes) -> object:
    return plain(AnyValue.FromString(encoded))


def plain(message: AnyValue) -> object:
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in message.array_value.values]
    if kind == "kvlist_value":
        return attributes(message.kvlist_value.values)
    result: object = getattr(message, kind)
    return result


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: plain(pair.value) for pair in pairs}


def span(encoded: bytes) -> Span:
    return Span.FromString(encoded)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    reader = wire.FrameReader()
    found = list(reader.feed(data))
    assert reader.pending_bytes == 0
    return found


def scope_spans(batch: bytes) -> ScopeSpans:
    """A batch with tagged items, as the forwarder joins it."""
    scope, items, count = wire_payloads.unpack_batch(batch)
    message = ScopeSpans.FromString(scope + items)
    assert len(message.spans) == count
    return message


def log_records(batch: bytes) -> list[LogRecord]:
    scope, items, count = wire_payloads.unpack_batch(batch)
    records = list(ScopeLogs.FromString(scope + items).log_records)
    assert len(records) == count
    return records


def exported(resource: bytes, scope: bytes, items: bytes) -> ExportTraceServiceRequest:
    body = wire.field(b"\x0a", wire.field(b"\x0a", resource) + wire.field(b"\x12", scope + items))
    return ExportTraceServiceRequest.FromString(body)
