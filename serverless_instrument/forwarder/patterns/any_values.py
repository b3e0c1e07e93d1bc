"""``AnyValue`` messages to Python's values; pure.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto
"""

from __future__ import annotations

from struct import unpack

from serverless_instrument.forwarder.codec.protobuf import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 32
_BOOL = 2


def decoded(data: bytes, depth: int = 0) -> object:
    """The value of an ``AnyValue``: str, bool, int, float, list, dict, bytes, or None for none.

    What is nested deeper than 32 levels is "...".

    Raises:
        ValueError: `data` is no such message.
    """
    if depth > _DEEPEST:
        return "..."
    value: object = None
    for number, _, given in fields(data):
        if isinstance(given, int):
            value = bool(given) if number == _BOOL else given - ((given >> 63) << 64)
        elif number in _DECODERS:
            value = _DECODERS[number](given, depth + 1)
    return value


def key_value(data: bytes, depth: int = 0) -> tuple[str, object]:
    """(key, value) of a ``KeyValue``. Raises ValueError where `data` is none."""
    key, value = "", None
    for number, _, given in fields(data):
        if number == 1 and isinstance(given, bytes):
            key = given.decode("utf-8", "replace")
        elif number == 2 and isinstance(given, bytes):
            value = decoded(given, depth)
    return key, value


def _messages(data: bytes) -> list[bytes]:
    return [value for _, _, value in fields(data) if isinstance(value, bytes)]


_DECODERS: dict[int, Callable[[bytes, int], object]] = {
    1: lambda data, _: data.decode("utf-8", "replace"),
    4: lambda data, _: unpack("<d", data)[0] if len(data) == 8 else None,
    5: lambda data, depth: [decoded(each, depth) for each in _messages(data)],
    6: lambda data, depth: dict([key_value(each, depth) for each in _messages(data)]),
    7: lambda data, _: data,
}
