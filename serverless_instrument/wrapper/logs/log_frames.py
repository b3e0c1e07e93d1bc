"""Frames of text, of log records and of line digests; pure."""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wrapper.records import encoder, record_encoder
from serverless_instrument.wrapper.records.records import SEVERITY_INFO, LogRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.wrapper.records.records import Limits, Span

    # request id, trace id, span id, trace flags
    Context = tuple[str, bytes, bytes, int]

SPAN_START = "serverless_instrument.span.start"

# Of the text in a frame, with room for the rest of it. A longer line is cut into pieces.
MAX_TEXT_BYTES = wire.MAX_PAYLOAD_BYTES // 2
_PIECE_CHARACTERS = MAX_TEXT_BYTES // 4
_RECORD_BYTES = wire.MAX_PAYLOAD_BYTES - 64 * 1024
_DIGESTS_PER_FRAME = 65_536
# A record over a frame's size: characters that each value keeps.
SHORTENED_CHARACTERS = 4096


def encode_text(text: str) -> bytes:
    """`text` in the bytes that the stream has written, as far as they can be told."""
    try:
        return text.encode()
    except UnicodeEncodeError:  # surrogates
        return text.encode("utf-8", "surrogateescape" if _is_escaped(text) else "replace")


def _is_escaped(text: str) -> bool:
    """Whether all surrogates stand for undecodable bytes, as PEP 383 has it."""
    return not any("\ud800" <= c <= "\udc7f" or "\udd00" <= c <= "\udfff" for c in text)


def text_digest(line: str) -> bytes:
    """`wire.line_digest` of a line in the bytes that the platform will see."""
    encoded = encode_text(line)
    if not line.isascii():
        encoded = encoded.decode("utf-8", "replace").encode()
    return wire.line_digest(encoded)


def text_pieces(text: str) -> list[bytes]:
    """Pieces of a text that is too long for one frame."""
    size = _PIECE_CHARACTERS
    return [encode_text(text[start : start + size]) for start in range(0, len(text), size)]


def encode_lines(
    lines: Sequence[str],
    stream: int,
    platform_lines: Sequence[str],
    time_unix_ns: int,
    context: Context,
) -> bytes:
    """Frames of `lines` written to `stream`, and what announces `platform_lines`."""
    if not any(lines):
        return encode_digests(context[0], platform_lines)
    text = encode_text("\n".join(lines))
    if len(text) <= MAX_TEXT_BYTES:
        same = lines == platform_lines
        bits = stream | wire.ANNOUNCES if same else stream
        frame = wire.text_frame(wire.TEXT, time_unix_ns, context, bits, text)
        return frame if same else frame + encode_digests(context[0], platform_lines)
    found = []
    for line in lines:
        bits = stream
        for piece in text_pieces(line):
            found.append(wire.text_frame(wire.TEXT, time_unix_ns, context, bits, piece))
            bits = stream | wire.PIECE
    return b"".join(found) + encode_digests(context[0], platform_lines)


def encode_digests(request_id: str, lines: Sequence[str]) -> bytes:
    """LINES frames of the digests of `lines`; b"" for none."""
    found = []
    for start in range(0, len(lines), _DIGESTS_PER_FRAME):
        digests = [text_digest(line) for line in lines[start : start + _DIGESTS_PER_FRAME]]
        found.append(wire.frame(wire.LINES, wire.pack_lines(request_id, digests)))
    return b"".join(found)


def log_record_frame(record: LogRecord, scope: bytes, limits: Limits) -> bytes:
    """The LOGS frame of `record`, with shortened values where it would not fit."""
    message = record_encoder.log_record(record, limits)
    if len(message) > _RECORD_BYTES:
        if type(record.body) is str:
            record.body = record.body[:_PIECE_CHARACTERS]
        message = record_encoder.log_record(record, limits.shortened(SHORTENED_CHARACTERS))
        if len(message) > _RECORD_BYTES:
            record.body = str(record.body)[:_PIECE_CHARACTERS]
            message = record_encoder.log_record(record, limits.shortened(SHORTENED_CHARACTERS))
    return wire.batch_frame(wire.LOGS, scope, encoder.item(message), 1)


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
    return log_record_frame(record, scope, limits)
