"""Log records of lines and events, and their encoding in OTLP; pure.

https://opentelemetry.io/docs/specs/otel/logs/data-model/.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import any_value, attribute, fields
from serverless_instrument.masking import masked
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

UNSPECIFIED, INFO, WARN = 0, 9, 13


class Record:
    """A log record before it is encoded; `body` and `attributes` hold JSON's values.

    Attributes:
        exception: attributes as well, of an exception.
        encoded: attributes that came encoded.
        dropped_attributes: how many there were besides.
        request_id: what the line names itself, "" for none.
    """

    __slots__ = (
        "attributes",
        "body",
        "dropped_attributes",
        "encoded",
        "event_name",
        "exception",
        "level",
        "logger",
        "request_id",
        "severity",
        "time_unix_ns",
    )

    def __init__(self, body: object, time_unix_ns: int) -> None:
        self.body = body
        self.time_unix_ns = time_unix_ns
        self.severity = UNSPECIFIED
        self.level = ""
        self.logger = ""
        self.event_name = ""
        self.request_id = ""
        self.attributes: dict[str, object] = {}
        self.exception: dict[str, object] = {}
        self.encoded = b""
        self.dropped_attributes = 0

    def mask(self, mask: Callable[[str], str]) -> None:
        """Put every text through `mask`."""
        self.body = masked(self.body, mask)
        self.level, self.logger = mask(self.level), mask(self.logger)
        for values in (self.attributes, self.exception):
            shown = {mask(name): masked(value, mask) for name, value in values.items()}
            values.clear()
            values.update(shown)


def request_attribute(request_id: str) -> bytes:
    """The tagged attribute that joins a record to its invocation, b"" for none."""
    return encode_attributes({"faas.invocation_id": request_id}) if request_id else b""


def encode_attributes(values: dict[str, object]) -> bytes:
    """Tagged attributes of a log record."""
    return b"".join([field(b"\x32", attribute(*pair)) for pair in values.items()])


def encode(
    record: Record,
    ids: tuple[bytes, bytes, int],
    observed_unix_ns: int,
    more: bytes = b"",
) -> bytes:
    """A tagged ``LogRecord``, an item of ``ScopeLogs``.

    Args:
        record: the record.
        ids: trace id and span id, b"" for none, and trace flags.
        observed_unix_ns: when it was first seen.
        more: further tagged attributes.
    """
    parts = [b"\x59", observed_unix_ns.to_bytes(8, "little")]
    if record.time_unix_ns:
        parts += [b"\x09", record.time_unix_ns.to_bytes(8, "little")]
    if record.severity:
        parts += [b"\x10", varint(record.severity)]
    if record.level:
        parts.append(field(b"\x1a", record.level.encode("utf-8", "replace")))
    parts += _body(record.body)
    values = {**record.attributes, **record.exception}
    if values:
        for name in _names(record.encoded + more):  # names are unique in a record
            values.pop(name, None)
    parts += [encode_attributes(values), record.encoded, more]
    if record.dropped_attributes:
        parts += [b"\x38", varint(record.dropped_attributes)]
    trace_id, span_id, flags = ids
    if trace_id:
        parts += [b"\x45", flags.to_bytes(4, "little")]
        parts += [field(b"\x4a", trace_id), field(b"\x52", span_id)]
    if record.event_name:
        parts.append(field(b"\x62", record.event_name.encode()))
    # In one step, as a body may be long.
    return b"".join((b"\x12", varint(sum(map(len, parts))), *parts))


def _body(body: object) -> list[bytes]:
    if type(body) is not str:
        return [field(b"\x2a", any_value(body))]
    text = body.encode("utf-8", "replace")
    head = b"\x0a" + varint(len(text))
    return [b"\x2a", varint(len(head) + len(text)), head, text]


def _names(encoded: bytes) -> list[str]:
    """The names of tagged attributes."""
    found = []
    for number, _, value in fields(encoded):
        if number == 6 and isinstance(value, bytes):
            name = next((part for key, _, part in fields(value) if key == 1), b"")
            found.append(name.decode() if isinstance(name, bytes) else "")
    return found
