"""Spans and exceptions as frames that are within the size limit of a frame. Pure."""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wrapper.records import encoder, record_encoder, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_LIMIT_BYTES = wire.MAX_PAYLOAD_BYTES // 2
# Values of a span over that size are cut to this length, so that the span is not lost. Its name and
# its status message are always cut to it, because attribute limits do not apply to them.
SHORTENED_CHARACTERS = 4096
# Room for what a frame holds besides its spans: scope, request id, lengths.
_FRAME_ROOM_BYTES = 8192


def encode_bounded(span: records.Span, limits: records.Limits) -> bytes:
    """The encoded span, its values shortened if it is larger than `MESSAGE_LIMIT_BYTES`."""
    message = record_encoder.span(span, limits)
    if len(message) > MESSAGE_LIMIT_BYTES:
        message = record_encoder.span(span, limits.shortened(SHORTENED_CHARACTERS))
    return message


def span_frame(span: records.Span, limits: records.Limits, scope: bytes = encoder.SCOPE) -> bytes:
    """The SPANS frame of one finished span."""
    return wire.batch_frame(wire.SPANS, scope, encoder.item(encode_bounded(span, limits)), 1)


def end_batch(
    span: records.Span, consumer_span: records.Span | None, limits: records.Limits
) -> bytes:
    """The batch of an END frame: the invocation's span and, of a batch, the CONSUMER span."""
    message = encode_bounded(span, limits)
    if consumer_span is None:
        return wire.pack_batch(encoder.SCOPE, encoder.item(message), 1)
    consumer_span.end_unix_ns = span.end_unix_ns
    second = encode_bounded(consumer_span, limits)
    if len(message) + len(second) > wire.MAX_PAYLOAD_BYTES - _FRAME_ROOM_BYTES:
        # Only a link limit in the thousands leads here. A frame over the limit loses both spans.
        consumer_span.dropped_links += len(consumer_span.links)
        consumer_span.links.clear()
        second = encode_bounded(consumer_span, limits)
    return wire.pack_batch(encoder.SCOPE, encoder.item(message) + encoder.item(second), 2)


def open_span_batch(
    scope: bytes, span: records.Span, events: list[records.Event], limits: records.Limits
) -> bytes:
    """The batch of an OPEN frame: `span` with `events` instead of its own, failed, without an end.

    It encodes a copy, because the handler's thread may go on with the span.
    """
    copy = records.Span(
        span.name,
        span.kind,
        span.trace_id,
        span.span_id,
        span.start_unix_ns,
        dict(span.attributes),
        span.parent_span_id,
        span.trace_state,
        span.flags,
    )
    copy.events, copy.links = list(events), list(span.links)
    copy.status_code, copy.status_message = records.STATUS_ERROR, span.status_message
    return wire.pack_batch(scope, encode_bounded(copy, limits), 1)


def exception_log_frame(
    span: records.Span,
    request_id: str,
    details: Mapping[str, object],
    now_unix_ns: int,
    limits: records.Limits,
) -> bytes:
    """The LOGS frame of an exception's event record; `details` are `errors.details`."""
    from serverless_instrument.wrapper.records import record_encoder

    record = records.LogRecord(
        now_unix_ns,
        records.SEVERITY_ERROR,
        "ERROR",
        None,
        {**details, "faas.invocation_id": request_id},
        span.trace_id,
        span.span_id,
        span.flags & 0xFF,
        "faas.invocation.exception",
    )
    message = record_encoder.log_record(record, limits)
    if len(message) > MESSAGE_LIMIT_BYTES:
        message = record_encoder.log_record(record, limits.shortened(SHORTENED_CHARACTERS))
    return wire.frame(wire.LOGS, wire.pack_batch(encoder.SCOPE, encoder.item(message), 1))


def init_error_frame(
    error: BaseException, stacktrace: str, now_unix_ns: int, limits: records.Limits
) -> bytes:
    """The INIT_ERROR frame of the exception that ended init, with its ``exception`` event."""
    from serverless_instrument.wrapper.records import errors

    details = errors.details(error, encoder.cut(stacktrace, MESSAGE_LIMIT_BYTES // 4))
    event = record_encoder.event(records.Event("exception", now_unix_ns, details), limits)
    # The runtime client's own errors name, in this attribute, the type that the platform reports.
    platform_type = getattr(error, "exception_type", None)
    error_type = (
        platform_type
        if type(platform_type) is str and platform_type
        else errors.qualified_name(type(error))
    )
    payload = wire.pack_request(
        error_type, now_unix_ns, 0, wire.pack_batch(encoder.SCOPE, event, 1)
    )
    return wire.frame(wire.INIT_ERROR, payload)
