"""Frames of log records and of line digests. Pure."""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wrapper.records import encoder, record_encoder
from serverless_instrument.wrapper.records.records import SEVERITY_INFO, LogRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.wrapper.records.records import Limits, Span

SPAN_START = "serverless_instrument.span.start"

_FRAME_BYTES = 1024 * 1024
_RECORD_BYTES = wire.MAX_PAYLOAD_BYTES - 64 * 1024
_DIGESTS_PER_FRAME = 65_536
# A record over a frame's size: characters that each value keeps, and of each part of its text.
_SHORTENED_CHARACTERS = 4096
_PART_CHARACTERS = 512 * 1024


def text_digest(line: str) -> bytes:
    """`wire.line_digest` of a line in the bytes that the platform will see."""
    try:
        encoded = line.encode()
    except UnicodeEncodeError:  # surrogates
        raw = line.encode("utf-8", "surrogateescape" if _is_escaped(line) else "replace")
        encoded = raw.decode("utf-8", "replace").encode()
    return wire.line_digest(encoded)


def _is_escaped(line: str) -> bool:
    """Whether all surrogates stand for undecodable bytes, as PEP 383 has it."""
    return not any("\ud800" <= c <= "\udc7f" or "\udd00" <= c <= "\udfff" for c in line)


def encoded_parts(record: LogRecord, limits: Limits, encoded: bytes = b"") -> list[bytes]:
    """The encoded record; several parts, with shortened values, where it would not fit a frame.

    `encoded` holds further attributes, as `encoder.log_attributes` encodes them.
    """
    message = record_encoder.log_record(record, limits, encoded)
    if len(message) <= _RECORD_BYTES:
        return [message]
    limits = limits.shortened(_SHORTENED_CHARACTERS)
    body = record.body
    if type(body) is not str:
        message = record_encoder.log_record(record, limits, encoded)
        if len(message) <= _RECORD_BYTES:
            return [message]
        record.body = body = str(body)
    if encoder.hides_what_is_cut():
        # No pattern finds a secret that two parts share.
        record.body = encoder.HIDDEN
        return [record_encoder.log_record(record, limits, encoded)]
    messages = []
    for start in range(0, len(body), _PART_CHARACTERS):
        record.body = body[start : start + _PART_CHARACTERS]
        messages.append(record_encoder.log_record(record, limits, encoded))
    return messages


def span_start_frame(span: Span, scope: bytes, limits: Limits) -> bytes:
    """The LOGS frame of the event that `span` has started, for viewers that show running spans.

    It is an event because a backend would store an unfinished span as a separate span.
    """
    attributes: dict[str, object] = {}
    if span.parent_span_id:
        attributes["serverless_instrument.parent_span_id"] = span.parent_span_id.hex()
    record = LogRecord(
        span.start_unix_ns,
        SEVERITY_INFO,
        "INFO",
        span.name,
        attributes,
        span.trace_id,
        span.span_id,
        span.flags & 0xFF,
        SPAN_START,
    )
    return encode_frames([(scope, part) for part in encoded_parts(record, limits)], "", [])


def encode_frames(
    scoped: Sequence[tuple[bytes, bytes]], request_id: str, digests: Sequence[bytes]
) -> bytes:
    """LOGS frames of (scope, encoded record) pairs, then LINES frames; b"" for nothing."""
    if len(scoped) == 1:
        scope, message = scoped[0]
        found = [wire.frame(wire.LOGS, wire.pack_batch(scope, encoder.item(message), 1))]
    else:
        found = _grouped(scoped)
    for start in range(0, len(digests), _DIGESTS_PER_FRAME):
        part = digests[start : start + _DIGESTS_PER_FRAME]
        found.append(wire.frame(wire.LINES, wire.pack_lines(request_id, part)))
    return b"".join(found)


def _grouped(scoped: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    found = []
    items: list[bytes] = []
    size, last = 0, b""
    for scope, message in scoped:
        if items and (scope != last or size + len(message) > _FRAME_BYTES):
            found.append(_logs_frame(last, items))
            items, size = [], 0
        last = scope
        items.append(encoder.item(message))
        size += len(message)
    if items:
        found.append(_logs_frame(last, items))
    return found


def _logs_frame(scope: bytes, items: Sequence[bytes]) -> bytes:
    return wire.frame(wire.LOGS, wire.pack_batch(scope, b"".join(items), len(items)))
