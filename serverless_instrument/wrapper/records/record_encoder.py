"""Spans and log records as OTLP protobuf; pure.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto,
opentelemetry/proto/trace/v1/trace.proto and logs/v1/logs.proto.
"""

from __future__ import annotations

from _struct import Struct  # as in wire.py

from serverless_instrument.wire import field, varint
from serverless_instrument.wrapper.records.encoder import (
    FIXED32,
    FIXED64,
    any_value,
    attributes,
    masked_utf8,
    utf8,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.wrapper.records.records import Event, Limits, Link, LogRecord, Span

_TIMES = Struct("<BQBQ").pack


def event(event: Event, limits: Limits) -> bytes:
    """An ``Event`` message of a span, without its tag."""
    return (
        b"\x09"
        + FIXED64(event.time_unix_ns)
        + field(b"\x12", masked_utf8(event.name))
        + attributes(
            b"\x1a",
            b"\x20",
            event.attributes,
            limits.event_attribute_count,
            limits.attribute_value_length,
            event.dropped_attributes,
        )
    )


def _link(link: Link, limits: Limits) -> bytes:
    return (
        field(b"\x0a", link.trace_id)
        + field(b"\x12", link.span_id)
        + (field(b"\x1a", utf8(link.trace_state)) if link.trace_state else b"")
        + attributes(
            b"\x22",
            b"\x28",
            link.attributes,
            limits.link_attribute_count,
            limits.attribute_value_length,
            link.dropped_attributes,
        )
        + b"\x35"
        + FIXED32(link.flags)
    )


def _status(code: int, message: str) -> bytes:
    return field(
        b"\x7a", (field(b"\x12", masked_utf8(message)) if message else b"") + b"\x18" + varint(code)
    )


def plain_span(
    trace_id: bytes,
    span_id: bytes,
    parent_span_id: bytes,
    name: str,
    kind: int,
    start_unix_ns: int,
    end_unix_ns: int,
    flags: int,
    encoded_attributes: bytes,
    trace_state: bytes = b"",
    rest: bytes = b"",
) -> bytes:
    """A ``Span`` message, without its tag: fields may be appended to it.

    `trace_id` has 16 bytes, `span_id` 8. `encoded_attributes` are what `span_attributes` returns.
    `trace_state` and `rest` are tagged fields, which few spans have.
    """
    text = masked_utf8(name)
    size = len(text)
    return b"\x0a\x10%b\x12\x08%b%b%b%b%b%b%b%b" % (
        trace_id,
        span_id,
        trace_state,
        b"\x22\x08" + parent_span_id if parent_span_id else b"",
        b"\x2a%c%b\x30%c" % (size, text, kind)
        if size < 128
        else field(b"\x2a", text) + b"\x30" + varint(kind),
        _TIMES(0x39, start_unix_ns, 0x41, end_unix_ns)
        if end_unix_ns
        else b"\x39" + FIXED64(start_unix_ns),
        encoded_attributes,
        rest,
        b"\x85\x01" + FIXED32(flags),
    )


def span_attributes(values: Mapping[str, object], limits: Limits, dropped: int = 0) -> bytes:
    """The tagged attributes of a span; `dropped` have been dropped before, besides `values`."""
    return attributes(
        b"\x4a",
        b"\x50",
        values,
        limits.attribute_count,
        limits.attribute_value_length,
        dropped,
    )


def span(record: Span, limits: Limits) -> bytes:
    """A ``Span`` message, without its tag: fields may be appended to it."""
    parts = []
    if record.events or record.dropped_events:
        # The last events are kept: an exception is recorded last.
        kept = _last_events(record.events, limits.event_count)
        parts += [field(b"\x5a", event(each, limits)) for each in kept]
        parts.append(
            _dropped_count(b"\x60", len(record.events) - len(kept) + record.dropped_events)
        )
    if record.links or record.dropped_links:
        links = record.links[: limits.link_count]
        parts += [field(b"\x6a", _link(link, limits)) for link in links]
        parts.append(_dropped_count(b"\x70", len(record.links) - len(links) + record.dropped_links))
    if record.status_code:
        parts.append(_status(record.status_code, record.status_message))
    return plain_span(
        record.trace_id,
        record.span_id,
        record.parent_span_id,
        record.name,
        record.kind,
        record.start_unix_ns,
        record.end_unix_ns,
        record.flags,
        span_attributes(record.attributes, limits, record.dropped_attributes),
        field(b"\x1a", utf8(record.trace_state)) if record.trace_state else b"",
        b"".join(parts),
    )


def _last_events(events: list[Event], count: int | None) -> list[Event]:
    return events[-count:] if count else [] if count == 0 else events


def _dropped_count(tag: bytes, count: int) -> bytes:
    return tag + varint(count) if count > 0 else b""


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


def log_attributes(values: Mapping[str, object], limits: Limits, count: int | None = None) -> bytes:
    """Tagged attributes of a log record, `count` at most."""
    return attributes(b"\x32", b"\x38", values, count, limits.attribute_value_length)
