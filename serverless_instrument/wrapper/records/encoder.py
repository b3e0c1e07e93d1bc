"""Records to OTLP protobuf bytes; pure.

Field numbers are those of opentelemetry-proto 1.x
(https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto); limits are
https://opentelemetry.io/docs/specs/otel/common/#attribute-limits and
https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits.
"""

from __future__ import annotations

from _struct import Struct  # as wire.py

from serverless_instrument.wire import MAX_PAYLOAD_BYTES, field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from serverless_instrument.wrapper.records.records import Event, Link, LogRecord, Span

_FIXED64 = Struct("<Q").pack
_FIXED32 = Struct("<I").pack
_DOUBLE = Struct("<d").pack
_TIMES = Struct("<BQBQ").pack
_U64 = (1 << 64) - 1
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
# A nested mapping costs three protobuf messages a level, and the common parsers refuse a request of
# more than 100 (https://protobuf.dev/reference/cpp/api-docs/google.protobuf.io.coded_stream/).
_MAX_DEPTH = 24
# Charged for each element at least, so that many small ones cannot cost a second of the function's.
_LEAST_PART_BYTES = 32


class Limits:
    """Span limits; None is unlimited. Defaults are the specification's."""

    __slots__ = (
        "attribute_count",
        "attribute_value_length",
        "event_attribute_count",
        "event_count",
        "link_attribute_count",
        "link_count",
    )

    def __init__(
        self,
        attribute_count: int | None = 128,
        attribute_value_length: int | None = None,
        event_count: int | None = 128,
        link_count: int | None = 128,
        event_attribute_count: int | None = 128,
        link_attribute_count: int | None = 128,
    ) -> None:
        self.attribute_count = attribute_count
        self.attribute_value_length = attribute_value_length
        self.event_count = event_count
        self.link_count = link_count
        self.event_attribute_count = event_attribute_count
        self.link_attribute_count = link_attribute_count

    def shortened(self, attribute_value_length: int) -> Limits:
        """These limits with values cut shorter, for a span over a frame's size."""
        own = self.attribute_value_length
        return Limits(
            self.attribute_count,
            attribute_value_length if own is None else min(own, attribute_value_length),
            self.event_count,
            self.link_count,
            self.event_attribute_count,
            self.link_attribute_count,
        )


_mask: Callable[[str], str] | None = None


def use_mask(mask: Callable[[str], str] | None) -> None:
    """Have `mask` hide parts of every value, name and message that is encoded from now on.

    It is the process's, and here, where everything comes by that leaves it.
    """
    global _mask
    _mask = mask


def _utf8(text: str) -> bytes:
    # JSON can carry lone surrogates, which protobuf strings must not.
    return text.encode("utf-8", "replace")


def _shown(text: str) -> bytes:
    return _utf8(text if _mask is None else _mask(text))


def _text(text: str, limit: int | None) -> bytes:
    return field(b"\x0a", _utf8(text if limit is None else text[:limit]))


def _integer(value: int, limit: int | None) -> bytes:
    if _INT64_MIN <= value <= _INT64_MAX:
        return b"\x18" + varint(value & _U64)
    # Too big for the wire. hex, because int -> decimal refuses very long numbers.
    return _text(hex(value), limit)


class _Room:
    """Where a value stands among containers, and the bytes that are left for all of it.

    A container that holds itself, or the same one twice at every level, would grow without end.
    """

    __slots__ = ("left_bytes", "path")

    def __init__(self) -> None:
        self.path: list[int] = []
        self.left_bytes = MAX_PAYLOAD_BYTES

    def take(self, container: object, parts: Iterable[bytes]) -> bytes:
        """`parts`, of `container`, joined; what comes when there is no room is left out."""
        taken = []
        self.path.append(id(container))
        left_bytes = self.left_bytes
        for part in parts:  # lazy: a part that is a container has taken from left_bytes, too
            taken.append(part)
            self.left_bytes = left_bytes = left_bytes - max(len(part), _LEAST_PART_BYTES)
            if left_bytes < 0:
                break
        self.path.pop()
        return b"".join(taken)


def _array(values: Iterable[object], limit: int | None, room: _Room) -> bytes:
    items = (field(b"\x0a", any_value(value, limit, room)) for value in values)
    return field(b"\x2a", room.take(values, items))


def _mapping(values: Mapping[object, object], limit: int | None, room: _Room) -> bytes:
    pairs = (
        _attribute(b"\x0a", key, value, limit)
        if type(key) is str and type(value) is str
        else field(b"\x0a", _key_value(key if type(key) is str else _str(key), value, limit, room))
        for key, value in values.items()
    )
    return field(b"\x32", room.take(values, pairs))


def _str(value: object) -> str:
    try:
        return str.__str__(str(value))
    except Exception:  # a user's __str__ may raise anything, which is no reason to lose the span
        return f"<{type(value).__name__}>"


def any_value(value: object, limit: int | None = None, room: _Room | None = None) -> bytes:
    """An ``AnyValue`` message: str, bool, int, float, bytes, dict, list, tuple, set, None, or text.

    `limit` cuts strings (in characters) and bytes, inside arrays and mappings as well. Never
    raises; cycles and what is nested too deep become "...", any other type its `str`.
    """
    if room is None and _mask is not None:
        from serverless_instrument.masking import masked

        value = masked(value, _mask)  # before anything is cut: half a secret has no pattern
    kind = type(value)
    if kind is str:
        return _text(value, limit)  # type: ignore[arg-type] # narrowed by `kind`
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return _integer(value, limit)  # type: ignore[arg-type] # narrowed by `kind`
    if kind is float:
        return b"\x21" + _DOUBLE(value)
    if value is None:
        return b""
    room = room or _Room()
    depth = len(room.path)
    try:
        return _other_value(value, limit, room)
    except Exception:  # methods of a user's subclass may raise, and so may another thread's changes
        del room.path[depth:]
        return _text(_str(value), limit)


def _other_value(value: object, limit: int | None, room: _Room) -> bytes:
    # The base class's conversions: a subclass may have changed its own.
    if isinstance(value, str):
        return _text(str.__str__(value), limit)
    if isinstance(value, int):
        return _integer(int.__int__(value), limit)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(float.__float__(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return field(b"\x3a", bytes(value)[:limit])
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return _text(_str(value), limit)
    if len(room.path) >= _MAX_DEPTH or id(value) in room.path:
        return _text("...", limit)
    if isinstance(value, dict):
        return _mapping(value, limit, room)
    return _array(value, limit, room)


def _key_value(key: str, value: object, limit: int | None, room: _Room | None = None) -> bytes:
    return field(b"\x0a", _utf8(key)) + field(b"\x12", any_value(value, limit, room))


def _attribute(tag: bytes, key: str, value: object, limit: int | None) -> bytes:
    name, kind = _utf8(key), type(value)
    short = kind is str and (limit is None or len(value) <= limit)  # type: ignore[arg-type] # narrowed
    if short and _mask is None:
        text = _utf8(value)  # type: ignore[arg-type] # narrowed
        size = len(text)
        encoded = b"\n%c%b" % (size, text) if size < 128 else field(b"\n", text)
    else:
        encoded = any_value(value, limit)
    size, name_size = len(encoded), len(name)
    if name_size + size < 124:
        # With every length in one byte it is one operation, and half the cost of a span's encoding
        # is saved.
        return b"%b%c\n%c%b\x12%c%b" % (tag, name_size + size + 4, name_size, name, size, encoded)
    return field(tag, field(b"\n", name) + field(b"\x12", encoded))


def attributes(
    tag: bytes,
    dropped_tag: bytes,
    values: Mapping[str, object],
    count: int | None,
    limit: int | None,
    dropped: int = 0,
) -> bytes:
    """Repeated ``KeyValue`` under `tag`, then the number over `count` under `dropped_tag`.

    `dropped` is how many there were besides `values`.
    """
    items = values.items()
    if count is not None and len(values) > count:
        dropped += len(values) - count
        items = list(items)[:count]  # type: ignore[assignment] # a list of the same pairs
    encoded = b"".join([_attribute(tag, key, value, limit) for key, value in items])
    return encoded + dropped_tag + varint(dropped) if dropped else encoded


def resource(values: Mapping[str, object]) -> bytes:
    """A ``Resource`` message; attribute limits do not apply to resources."""
    return attributes(b"\x0a", b"\x10", values, None, None)


def scope(
    name: str,
    version: str = "",
    schema_url: str = "",
    values: Mapping[str, object] | None = None,
) -> bytes:
    """Tagged ``scope`` and ``schema_url`` of a ``ScopeSpans``, ``ScopeLogs``, ``ScopeMetrics``.

    `values` are the scope's attributes.
    """
    inner = field(b"\x0a", _utf8(name)) + (field(b"\x12", _utf8(version)) if version else b"")
    if values:
        inner += attributes(b"\x1a", b"\x20", values, None, None)
    return field(b"\x0a", inner) + (field(b"\x1a", _utf8(schema_url)) if schema_url else b"")


def event(event: Event, limits: Limits) -> bytes:
    """An ``Event`` message of a span, without its tag."""
    return (
        b"\x09"
        + _FIXED64(event.time_unix_ns)
        + field(b"\x12", _shown(event.name))
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
        + (field(b"\x1a", _utf8(link.trace_state)) if link.trace_state else b"")
        + attributes(
            b"\x22",
            b"\x28",
            link.attributes,
            limits.link_attribute_count,
            limits.attribute_value_length,
            link.dropped_attributes,
        )
        + b"\x35"
        + _FIXED32(link.flags)
    )


def _status(code: int, message: str) -> bytes:
    return field(
        b"\x7a", (field(b"\x12", _shown(message)) if message else b"") + b"\x18" + varint(code)
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

    `encoded_attributes` are those of `span_attributes`; `trace_state` and `rest` are tagged fields
    that few spans have.
    """
    text = _shown(name)
    size = len(text)
    return b"\x0a\x10%b\x12\x08%b%b%b%b%b%b%b%b" % (
        trace_id,  # of 16 bytes
        span_id,  # of 8
        trace_state,
        b"\x22\x08" + parent_span_id if parent_span_id else b"",
        b"\x2a%c%b\x30%c" % (size, text, kind)
        if size < 128
        else field(b"\x2a", text) + b"\x30" + varint(kind),
        _TIMES(0x39, start_unix_ns, 0x41, end_unix_ns)
        if end_unix_ns
        else b"\x39" + _FIXED64(start_unix_ns),
        encoded_attributes,
        rest,
        b"\x85\x01" + _FIXED32(flags),
    )


def span_attributes(values: Mapping[str, object], limits: Limits, dropped: int = 0) -> bytes:
    """The tagged attributes of a span, with `dropped` more that are gone already."""
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
        # The latest are the telling ones: an exception is recorded last.
        kept = _last(record.events, limits.event_count)
        parts += [field(b"\x5a", event(each, limits)) for each in kept]
        parts.append(_dropped(b"\x60", len(record.events) - len(kept) + record.dropped_events))
    if record.links or record.dropped_links:
        links = record.links[: limits.link_count]
        parts += [field(b"\x6a", _link(link, limits)) for link in links]
        parts.append(_dropped(b"\x70", len(record.links) - len(links) + record.dropped_links))
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
        field(b"\x1a", _utf8(record.trace_state)) if record.trace_state else b"",
        b"".join(parts),
    )


def _last(events: list[Event], count: int | None) -> list[Event]:
    return events[-count:] if count else [] if count == 0 else events


def _dropped(tag: bytes, count: int) -> bytes:
    return tag + varint(count) if count > 0 else b""


def item(message: bytes) -> bytes:
    """`message` as one element of a scope's repeated field (spans, log_records and metrics: 2)."""
    return field(b"\x12", message)


def log_record(record: LogRecord, limits: Limits, encoded: bytes = b"") -> bytes:
    """A ``LogRecord`` message, without its tag; `encoded` is of further attributes."""
    limit = limits.attribute_value_length
    body, text = record.body, record.severity_text
    parts = [
        b"\x09",
        _FIXED64(record.time_unix_ns),
        b"\x10" + varint(record.severity_number) if record.severity_number else b"",
        field(b"\x1a", _utf8(text)) if text else b"",
        field(b"\x2a", any_value(body)) if body is not None else b"",
        attributes(b"\x32", b"\x38", record.attributes, limits.attribute_count, limit)
        if record.attributes
        else b"",
        encoded,
        b"\x45",
        _FIXED32(record.flags),
        field(b"\x4a", record.trace_id) if record.trace_id else b"",
        field(b"\x52", record.span_id) if record.span_id else b"",
        b"\x59",
        _FIXED64(record.observed_unix_ns),
        field(b"\x62", _utf8(record.event_name)) if record.event_name else b"",
    ]
    return b"".join(parts)


def log_attributes(values: Mapping[str, object], limits: Limits) -> bytes:
    """Attributes of a log record for `log_record`'s `encoded`: what many records share."""
    return attributes(b"\x32", b"\x38", values, None, limits.attribute_value_length)
