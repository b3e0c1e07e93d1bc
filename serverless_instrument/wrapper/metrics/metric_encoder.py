"""Encoding of metrics as OTLP protobuf. Pure.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

from struct import Struct, pack

from serverless_instrument.wire import MAX_PAYLOAD_BYTES, field, varint
from serverless_instrument.wrapper.records.encoder import attributes as encoded_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Attributes = Mapping[str, object] | None
    Buckets = tuple[int, Sequence[int]]

GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM = 5, 7, 9, 10
DELTA, CUMULATIVE = 1, 2

_TIMES = Struct("<BQBQ").pack
_DOUBLE = Struct("<Bd").pack
_FIXED64 = Struct("<BQ").pack
_SFIXED64 = Struct("<Bq").pack
_TOTALS = Struct("<BQBdBdBd").pack
# Half of what a frame may hold.
MESSAGE_LIMIT_BYTES = MAX_PAYLOAD_BYTES // 2


# Encoded fields that are the same in every invocation, by the values they are made of.
_known: dict[tuple[object, ...], bytes] = {}
_MAX_KNOWN = 4000


def encode_metric(
    texts: tuple[str, str, str],
    kind: int,
    points: Sequence[bytes],
    temporality: int = DELTA,
    *,
    monotonic: bool = False,
) -> Iterator[bytes]:
    """Tagged ``Metric`` items of `texts` (name, description, unit) and untagged `points`.

    There are several items where one would exceed `MESSAGE_LIMIT_BYTES`.
    """
    tail = b"" if kind == GAUGE else b"\x10" + varint(temporality)
    if monotonic:
        tail += b"\x18\x01"
    return split_metric(head(*texts), kind, [field(b"\x0a", point) for point in points], tail)


def split_metric(texts: bytes, kind: int, points: Sequence[bytes], tail: bytes) -> Iterator[bytes]:
    """Tagged ``Metric`` items of tagged `points`, with encoded `texts` before and `tail` after."""
    tag = bytes((kind << 3 | 2,))
    start, size = 0, 0
    for index, point in enumerate(points):
        if size + len(point) > MESSAGE_LIMIT_BYTES and index > start:
            yield field(b"\x12", texts + field(tag, b"".join(points[start:index]) + tail))
            start, size = index, 0
        size += len(point)
    yield field(b"\x12", texts + field(tag, b"".join(points[start:]) + tail))


def head(name: str, description: str, unit: str) -> bytes:
    """The encoded fields of name, description and unit."""
    key = (name, description, unit)
    encoded = _known.get(key)
    if encoded is None:
        encoded = field(b"\x0a", name.encode("utf-8", "replace"))
        for tag, text in ((b"\x12", description), (b"\x1a", unit)):
            if text:
                encoded += field(tag, text.encode("utf-8", "replace"))
        _remember(key, encoded)
    return encoded


def series_key(values: Mapping[str, object]) -> tuple[object, ...]:
    """A key that is equal for equal attributes in equal order.

    The forwarder merges series whose attributes differ in order only.
    """
    key = (*values.items(), *map(type, values.values()))  # True == 1, but they are two series
    try:
        hash(key)
    except TypeError:  # a value may be a list
        return (repr(values),)
    return key


def _attributes(tag: bytes, values: Attributes) -> bytes:
    if not values:
        return b""
    key = (tag, series_key(values))
    encoded = _known.get(key)
    if encoded is None:
        encoded = encoded_attributes(tag, b"", values, None, None)
        _remember(key, encoded)
    return encoded


def _remember(key: tuple[object, ...], encoded: bytes) -> None:
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[key] = encoded


def number_point(
    values: Attributes,
    start_unix_ns: int,
    time_unix_ns: int,
    value: float,
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """A point of a gauge or a sum."""
    start = _start(b"\x3a", values, start_unix_ns, time_unix_ns)
    return start + _number(value, 4, 6) + _tagged(b"\x2a", exemplars)


def histogram_point(
    values: Attributes,
    start_unix_ns: int,
    time_unix_ns: int,
    totals: tuple[int, float | None, float | None, float | None],
    counts: Sequence[int],
    bounds: Sequence[float],
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """A point of a histogram; `totals` are count, sum, min and max, None where not known."""
    body = _totals(totals, 11, 12)
    if counts:
        body += field(b"\x32", pack(f"<{len(counts)}Q", *counts))
    if bounds:
        key = (b"\x3a", tuple(bounds))
        encoded = _known.get(key)
        if encoded is None:
            encoded = field(b"\x3a", pack(f"<{len(bounds)}d", *bounds))
            _remember(key, encoded)
        body += encoded
    start = _start(b"\x4a", values, start_unix_ns, time_unix_ns)
    return start + body + _tagged(b"\x42", exemplars)


def exponential_point(
    values: Attributes,
    start_unix_ns: int,
    time_unix_ns: int,
    totals: tuple[int, float | None, float | None, float | None],
    scale: int,
    zero_count: int,
    positive: Buckets,
    negative: Buckets,
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """A point of an exponential histogram; buckets are (offset, counts)."""
    body = _totals(totals, 12, 13) + b"\x30" + varint(_zigzag(scale))
    body += _FIXED64(0x39, zero_count)
    for tag, (offset, counts) in ((b"\x42", positive), (b"\x4a", negative)):
        if counts:
            packed = field(b"\x12", b"".join([varint(count) for count in counts]))
            body += field(tag, b"\x08" + varint(_zigzag(offset)) + packed)
    start = _start(b"\x0a", values, start_unix_ns, time_unix_ns)
    return start + body + _tagged(b"\x5a", exemplars)


def exemplar(
    values: Attributes,
    time_unix_ns: int,
    value: float,
    trace_id: int | None,
    span_id: int | None,
) -> bytes:
    """An ``Exemplar``, without its tag."""
    message = _attributes(b"\x3a", values)
    message += _FIXED64(0x11, time_unix_ns) + _number(value, 3, 6)
    if span_id and trace_id:
        message += b"\x22\x08" + span_id.to_bytes(8, "big")
        message += b"\x2a\x10" + trace_id.to_bytes(16, "big")
    return message


def _start(tag: bytes, values: Attributes, start_unix_ns: int, time_unix_ns: int) -> bytes:
    return _attributes(tag, values) + _TIMES(0x11, start_unix_ns, 0x19, time_unix_ns)


def _number(value: float, double: int, integer: int) -> bytes:
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return _SFIXED64(integer << 3 | 1, value)
    return _DOUBLE(double << 3 | 1, value)


def _totals(
    totals: tuple[int, float | None, float | None, float | None], least: int, most: int
) -> bytes:
    count, total, low, high = totals
    if total is not None and low is not None and high is not None:
        return _TOTALS(0x21, count, 0x29, total, least << 3 | 1, low, most << 3 | 1, high)
    encoded = _FIXED64(0x21, count)
    for number, value in zip((5, least, most), totals[1:], strict=True):
        if value is not None:
            encoded += _DOUBLE(number << 3 | 1, value)
    return encoded


def _tagged(tag: bytes, messages: Iterable[bytes]) -> bytes:
    return b"".join([field(tag, message) for message in messages])


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
