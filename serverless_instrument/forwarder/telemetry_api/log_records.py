"""Lines of the platform to OTLP log records. Pure.

https://opentelemetry.io/docs/specs/otel/logs/data-model/. Time, level and attributes of
a line are read as the runtime side reads them: from the runtime client's text and JSON formats, and
from JSON lines of the usual logging libraries.
"""

from __future__ import annotations

from serverless_instrument import iso_time
from serverless_instrument.forwarder.codec.json_text import loads
from serverless_instrument.forwarder.codec.protobuf import any_value, attribute
from serverless_instrument.json_line import JsonLine
from serverless_instrument.severity import of_name
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.telemetry_api.line_attribution import Context

UNSPECIFIED, INFO, WARN = 0, 9, 13
# How messages of the interpreter and the runtime client begin, and their severity.
_OPENINGS = (
    ("Traceback (most recent call last):", 17),
    ("Fatal Python error:", 21),
    ("LAMBDA_WARNING:", 13),
)


class Record:
    """A log record before it is encoded; `body` and `attributes` hold JSON's values."""

    __slots__ = ("attributes", "body", "event_name", "level", "severity", "time_unix_ns")

    def __init__(self, body: object, time_unix_ns: int) -> None:
        self.body = body
        self.time_unix_ns = time_unix_ns
        self.severity = UNSPECIFIED
        self.level = ""
        self.event_name = ""
        self.attributes: dict[str, object] = {}


def read(text: str, time_unix_ns: int) -> Record:
    """The record of a line; `time_unix_ns` is when the platform saw it."""
    if text.startswith("{") and text.endswith("}"):
        try:
            value = loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            return _structured(value, time_unix_ns)
    record = Record(text, time_unix_ns)
    if text.startswith("["):
        level, _, rest = text[1:].partition("]")
        _set_level(record, level)
        # [LEVEL]\ttime\trequest id\tmessage, as the runtime client writes text.
        parts = rest.split("\t", 3)
        if record.severity and len(parts) == 4 and not parts[0]:
            record.body = parts[3]
            record.time_unix_ns = iso_time.unix_ns(parts[1]) or time_unix_ns
            if parts[2]:
                record.attributes["faas.invocation_id"] = parts[2]
        return record
    for opening, severity in _OPENINGS:
        if text.startswith(opening):
            record.severity = severity
            return record
    # "ERROR:app:message" and "ERROR message" are loggers' work, "Error" and "error" a sentence's.
    word = text[:12].replace(":", " ").partition(" ")[0]
    if word.isupper():
        _set_level(record, word)
    return record


def _set_level(record: Record, level: str) -> None:
    record.severity = of_name(level)
    record.level = level.strip() if record.severity else ""


def _structured(value: dict[str, object], time_unix_ns: int) -> Record:
    line = JsonLine(value)
    record = Record(value, line.time_unix_ns(time_unix_ns))
    record.severity, record.level = line.severity, line.level
    record.attributes = line.attributes
    return record


def encode(record: Record, context: Context | None, observed_unix_ns: int) -> bytes:
    """A tagged ``LogRecord``, an item of ``ScopeLogs``."""
    parts = [b"\x59", observed_unix_ns.to_bytes(8, "little")]
    if record.time_unix_ns:
        parts += [b"\x09", record.time_unix_ns.to_bytes(8, "little")]
    if record.severity:
        parts += [b"\x10", varint(record.severity)]
    if record.level:
        parts.append(field(b"\x1a", record.level.encode("utf-8", "replace")))
    parts.append(field(b"\x2a", any_value(record.body)))
    parts += [field(b"\x32", attribute(*pair)) for pair in record.attributes.items()]
    if context is not None and context.trace_id:
        # A span there is, so it was sampled: https://www.w3.org/TR/trace-context/#trace-flags
        parts.append(b"\x45\x01\x00\x00\x00")
        parts += [field(b"\x4a", context.trace_id), field(b"\x52", context.span_id)]
    if record.event_name:
        parts.append(field(b"\x62", record.event_name.encode()))
    return field(b"\x12", b"".join(parts))
