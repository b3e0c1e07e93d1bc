"""Transcoding of OTLP protobuf to OTLP/JSON, for OTEL_EXPORTER_OTLP_PROTOCOL=http/json. Pure.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: lowerCamelCase names, ids in
hexadecimal, enumerations as numbers, 64-bit integers as strings. Unknown fields are left out, and,
as protobuf does, those whose wire type is not that of their kind. Loaded only where it is needed.
"""

from __future__ import annotations

from binascii import b2a_base64
from json import dumps
from struct import iter_unpack, unpack

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.codec.otlp_messages import MESSAGES, ONE_OF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any


def encode_json(signal: str, body: bytes) -> bytes:
    """The OTLP/JSON of an encoded export request of `signal` ("traces", "logs", "metrics").

    Raises:
        ValueError: `body` is not protobuf, or nested deeper than Python calls go.
    """
    try:
        return dumps(_decode_message(signal, body), separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("protobuf nested too deeply") from None


def _decode_message(name: str, data: bytes) -> dict[str, object]:
    known, one_of = MESSAGES[name], ONE_OF.get(name, ())
    out: dict[str, object] = {}
    # A sub-message may come in parts: its bytes are joined before they are decoded.
    parts: dict[str, tuple[str, bytes]] = {}
    for number, wire_type, value in protobuf.fields(data):
        key, kind = known.get(number, ("", ""))
        if kind.startswith("*"):
            if elements := _decode_elements(kind[1:], wire_type, value):
                before = out.setdefault(key, [])
                assert isinstance(before, list)
                before += elements
        elif _wire_type(kind) == wire_type and key:
            for other in one_of if key in one_of else ():
                if other != key:
                    out.pop(other, None)
                    parts.pop(other, None)
            if kind in _SCALARS:
                out[key] = _SCALARS[kind][1](value)
            else:
                assert isinstance(value, bytes)
                parts[key] = (kind, parts[key][1] + value if key in parts else value)
    for key, (kind, part) in parts.items():
        out[key] = _decode_message(kind, part)
    return out


def _wire_type(kind: str) -> int:
    return _SCALARS[kind][0] if kind in _SCALARS else protobuf.BYTES


def _decode_elements(kind: str, wire_type: int, value: bytes | int) -> list[object]:
    """One element of a repeated field, or all elements of a packed one."""
    if kind in _PACKED and wire_type == protobuf.BYTES:
        assert isinstance(value, bytes)
        return list(_PACKED[kind](value))
    if wire_type != _wire_type(kind):
        return []
    if kind in _SCALARS:
        return [_SCALARS[kind][1](value)]
    assert isinstance(value, bytes)
    return [_decode_message(kind, value)]


def _varints(data: bytes) -> Iterator[str]:
    position = 0
    while position < len(data):
        value, position = protobuf.varint(data, position)
        yield str(value)


def _words(data: bytes, form: str) -> Iterator[Any]:
    if len(data) % 8:
        raise ValueError("truncated protobuf")
    return (word for (word,) in iter_unpack(form, data))


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _zigzag(value: int) -> int:
    value &= 0xFFFF_FFFF
    return (value >> 1) ^ -(value & 1)


_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _double(number: float) -> object:
    # Protobuf's JSON mapping has names for the numbers that JSON lacks.
    return _NAMED.get(repr(number), number)


# Kind: its wire type, and the conversion of what `protobuf.fields` yields to a JSON value.
_SCALARS: Mapping[str, tuple[int, Callable[[Any], object]]] = {
    "bool": (protobuf.VARINT, bool),
    "enum": (protobuf.VARINT, lambda value: _signed(value, 32)),
    "uint32": (protobuf.VARINT, lambda value: value & 0xFFFF_FFFF),
    "sint32": (protobuf.VARINT, _zigzag),
    "int64": (protobuf.VARINT, lambda value: str(_signed(value, 64))),
    "uint64": (protobuf.VARINT, str),
    "fixed32": (protobuf.FIXED32, lambda data: unpack("<I", data)[0]),
    "fixed64": (protobuf.FIXED64, lambda data: str(unpack("<Q", data)[0])),
    "sfixed64": (protobuf.FIXED64, lambda data: str(unpack("<q", data)[0])),
    "double": (protobuf.FIXED64, lambda data: _double(unpack("<d", data)[0])),
    "string": (protobuf.BYTES, lambda data: data.decode("utf-8", "replace")),
    "bytes": (protobuf.BYTES, lambda data: b2a_base64(data, newline=False).decode()),
    "hex": (protobuf.BYTES, bytes.hex),
}
_PACKED: Mapping[str, Callable[[bytes], Iterator[object]]] = {
    "fixed64": lambda data: map(str, _words(data, "<Q")),
    "double": lambda data: map(_double, _words(data, "<d")),
    "uint64": _varints,
}
