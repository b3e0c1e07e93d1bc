"""Log records as OTLP protobuf; pure.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto,
opentelemetry/proto/logs/v1/logs.proto.
"""

from __future__ import annotations

from serverless_instrument.wire import field, varint
from serverless_instrument.wrapper.records.encoder import (
    FIXED32,
    FIXED64,
    any_value,
    attributes,
    utf8,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.wrapper.records.records import Limits, LogRecord


def log_record(record: LogRecord, limits: Limits, encoded: bytes = b"") -> bytes:
    """A ``LogRecord`` message, without its tag.

    `encoded` are further attributes, as `log_attributes` returns them.
    """
    limit = limits.attribute_value_length
    body, text = record.body, record.severity_text
    parts = [
        b"\x09",
        FIXED64(record.time_unix_ns),
        b"\x10" + varint(record.severity_number) if record.severity_number else b"",
        field(b"\x1a", utf8(text)) if text else b"",
        field(b"\x2a", any_value(body)) if body is not None else b"",
        attributes(b"\x32", b"\x38", record.attributes, limits.attribute_count, limit)
        if record.attributes
        else b"",
        encoded,
        b"\x45",
        FIXED32(record.flags),
        field(b"\x4a", record.trace_id) if record.trace_id else b"",
        field(b"\x52", record.span_id) if record.span_id else b"",
        b"\x59",
        FIXED64(record.observed_unix_ns),
        field(b"\x62", utf8(record.event_name)) if record.event_name else b"",
    ]
    return b"".join(parts)


def log_attributes(values: Mapping[str, object], limits: Limits) -> bytes:
    """Tagged attributes of a log record: those that many records share are encoded once."""
    return attributes(b"\x32", b"\x38", values, None, limits.attribute_value_length)
