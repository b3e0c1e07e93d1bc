"""Metrics to OTLP protobuf bytes; pure.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

from struct import Struct, pack

from serverless_instrument.wire import field, varint
from serverless_instrument.wrapper.encoder import attributes as encoded_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Attributes = Mapping[str, object] | None
    Buckets = tuple[int, Sequence[int]]

GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM = 5, 7, 9, 10
DELTA, CUMULATIVE = 1, 2

_TIMES = Struct("<BQBQ").pack
_DOUBLE = Struct("<Bd").pack
_FIXED64 = Struct("<BQ").pack
_SFIXED64 = Struct("<Bq").pack


def metric(
    name: str,
    description: str,
    unit: str,
    kind: int,
    points: Iterable[bytes],
    temporality: int = DELTA,
    *,
    monotonic: bool = False,
) -> bytes:
    """A tagged ``Metric``, as an item of a METRICS frame; `points` without their tag."""
    body = b"".join([field(b"\x0a", point) for point in points])
    if kind != GAUGE:
        body += b"\x10" + varint(temporality)
    if monotonic:
        body += b"\x18\x01"
    message = field(b"\x0a", name.encode("utf-8", "replace"))
    if description:
        message += field(b"\x12", description.encode("utf-8", "replace"))
    if unit:
        message += field(b"\x1a", unit.encode("utf-8", "replace"))
    return field(b"\x12", message + field(bytes((kind << 3 | 2,)), body))


def number_point(
    values: Attributes,
    start_unix_ns: int,
    time_unix_ns: int,
    value: float,
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """A point of a gauge or a sum."""
    head = _head(b"\x3a", values, start_unix_ns, time_unix_ns)
    return head + _number(value, 4, 6) + _tagged(b"\x2a", exemplars)


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
        body += field(b"\x3a", pack(f"<{len(bounds)}d", *bounds))
    head = _head(b"\x4a", values, start_unix_ns, time_unix_ns)
    return head + body + _tagged(b"\x42", exemplars)


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
    head = _head(b"\x0a", values, start_unix_ns, time_unix_ns)
    return head + body + _tagged(b"\x5a", exemplars)


def exemplar(
    values: Attributes,
    time_unix_ns: int,
    value: float,
    trace_id: int | None,
    span_id: int | None,
) -> bytes:
    """An ``Exemplar``, without its tag."""
    message = encoded_attributes(b"\x3a", b"", values, None, None) if values else b""
    message += _FIXED64(0x11, time_unix_ns) + _number(value, 3, 6)
    if span_id and trace_id:
        message += b"\x22\x08" + span_id.to_bytes(8, "big")
        message += b"\x2a\x10" + trace_id.to_bytes(16, "big")
    return message


def _head(tag: bytes, values: Attributes, start_unix_ns: int, time_unix_ns: int) -> bytes:
    head = encoded_attributes(tag, b"", values, None, None) if values else b""
    return head + _TIMES(0x11, start_unix_ns, 0x19, time_unix_ns)


def _number(value: float, double: int, integer: int) -> bytes:
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return _SFIXED64(integer << 3 | 1, value)
    return _DOUBLE(double << 3 | 1, value)


def _totals(
    totals: tuple[int, float | None, float | None, float | None], least: int, most: int
) -> bytes:
    encoded = _FIXED64(0x21, totals[0])
    for number, value in zip((5, least, most), totals[1:], strict=True):
        if value is not None:
            encoded += _DOUBLE(number << 3 | 1, value)
    return encoded


def _tagged(tag: bytes, messages: Iterable[bytes]) -> bytes:
    return b"".join([field(tag, message) for message in messages])


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
