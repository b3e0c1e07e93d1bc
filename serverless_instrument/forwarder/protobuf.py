"""Reading protobuf: bytes to fields; pure, loaded only where something must be read.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

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
