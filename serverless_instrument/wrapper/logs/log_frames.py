"""Log records and digests of lines to frames; pure."""

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
# Of a record over a frame's size: characters of each value, and of each part of its text.
_SHORTENED_CHARACTERS = 4096
_PART_CHARACTERS = 512 * 1024


def digest(line: str) -> bytes:
    """`wire.line_digest` of a line as the platform will see it."""
    try:
        encoded = line.encode()
    except UnicodeEncodeError:  # what Python read as undecodable bytes is written as those bytes
        raw = line.encode("utf-8", "surrogateescape" if _escaped(line) else "replace")
        encoded = raw.decode("utf-8", "replace").encode()
    return wire.line_digest(encoded)


def _escaped(line: str) -> bool:
    return not any("\ud800" <= c <= "\udc7f" or "\udd00" <= c <= "\udfff" for c in line)


def bounded(record: LogRecord, limits: Limits, encoded: bytes = b"") -> list[bytes]:
    """The encoded record; in parts, with its values cut, where it would not fit a frame.

    `encoded` is of further attributes, as `encoder.log_attributes` makes it.
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
    messages = []
    for start in range(0, len(body), _PART_CHARACTERS):
        record.body = body[start : start + _PART_CHARACTERS]
        messages.append(record_encoder.log_record(record, limits, encoded))
    return messages


def span_started(span: Span, scope: bytes, limits: Limits) -> bytes:
    """The LOGS frame of the event that `span` has begun, for who watches while it runs.

    An event and no unfinished span: a backend would take that for a span of its own.
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
    return frames([(scope, part) for part in bounded(record, limits)], "", [])


def frames(
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
            found.append(_logs(last, items))
            items, size = [], 0
        last = scope
        items.append(encoder.item(message))
        size += len(message)
    if items:
        found.append(_logs(last, items))
    return found


def _logs(scope: bytes, items: Sequence[bytes]) -> bytes:
    return wire.frame(wire.LOGS, wire.pack_batch(scope, b"".join(items), len(items)))
