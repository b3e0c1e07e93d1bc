"""Protobuf: bytes to fields, and JSON values to ``AnyValue``; loaded where it is needed. Pure.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from struct import pack

from serverless_instrument.wire import __version__, field
from serverless_instrument.wire import varint as encoded_varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_TRUNCATED = "truncated protobuf"


def varint(data: bytes, position: int) -> tuple[int, int]:
    """(unsigned 64-bit value, position after it). Raises ValueError where it does not end."""
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError(_TRUNCATED)
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """(number, wire type, value) of each field of a message: an int for `VARINT`, else bytes.

    Raises:
        ValueError: `data` is cut off, or no message.
    """
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if not number:
            raise ValueError("protobuf field number 0")
        if wire_type == VARINT:
            value, position = varint(data, position)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            size, position = varint(data, position)
        else:
            size = _FIXED_BYTES.get(wire_type, -1)
        if size < 0:
            raise ValueError(f"protobuf wire type {wire_type}")
        if position + size > len(data):
            raise ValueError(_TRUNCATED)
        yield number, wire_type, data[position : position + size]
        position += size


# Deeper than log lines are, and far below Python's recursion limit.
_DEEPEST = 32


def any_value(value: object, depth: int = 0) -> bytes:
    """An ``opentelemetry.proto.common.v1.AnyValue`` of a JSON value or bytes; empty for None."""
    if isinstance(value, str):
        return field(b"\x0a", value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + encoded_varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return b"\x21" + pack("<d", value)
    if value is None or isinstance(value, bytes):
        return b"" if value is None else field(b"\x3a", value)
    if isinstance(value, (list, dict)) and depth < _DEEPEST:
        if isinstance(value, list):
            items = [field(b"\x0a", any_value(item, depth + 1)) for item in value]
            return field(b"\x2a", b"".join(items))
        pairs = [field(b"\x0a", attribute(n, item, depth + 1)) for n, item in value.items()]
        return field(b"\x32", b"".join(pairs))
    # An integer of more than 64 bits keeps its digits.
    return field(b"\x0a", str(value)[:4096].encode("utf-8", "replace"))


def attribute(name: str, value: object, depth: int = 0) -> bytes:
    """A ``KeyValue``."""
    encoded = name.encode("utf-8", "replace")
    return field(b"\x0a", encoded) + field(b"\x12", any_value(value, depth))


def instrumentation_scope(name: str, version: str = __version__) -> bytes:
    """The tagged ``scope`` field of a ``ScopeSpans``, ``ScopeLogs`` or ``ScopeMetrics``."""
    encoded = field(b"\x0a", name.encode())
    if version:
        encoded += field(b"\x12", version.encode())
    return field(b"\x0a", encoded)
