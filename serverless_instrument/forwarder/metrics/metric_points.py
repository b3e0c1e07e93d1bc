"""Data points of OTLP metrics, decoded, merged and encoded: numbers, and what all have. Pure.

Histograms are in histogram_points.py. Fields: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto.
Rules for merging: https://opentelemetry.io/docs/specs/otel/metrics/data-model/.
"""

from __future__ import annotations

from struct import Struct, error, unpack

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Attributes = tuple[bytes, ...]

# Kinds: the field numbers of a ``Metric``'s data.
GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM = 5, 7, 9, 10
# The latest exemplars of a point are kept: the traces of older ones may be gone.
MAX_EXEMPLARS = 10
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
pack_fixed64 = Struct("<Q").pack
pack_double = Struct("<d").pack
_pack_sfixed64 = Struct("<q").pack


class UnmergeableError(Exception):
    """A point that is sent on as it came: it has no value, or unknown fields."""


class Point:
    """What all points have: times in Unix nanoseconds, and encoded ``Exemplar`` messages.

    Points of different `key` must not be merged although their attributes are the same.
    """

    __slots__ = ("exemplars", "key", "start_unix_ns", "time_unix_ns")

    attributes_number = 7
    exemplars_number = 5

    def __init__(self) -> None:
        self.start_unix_ns = 0
        self.time_unix_ns = 0
        self.exemplars: list[bytes] = []
        self.key: object = None

    def merge(self, other: Point) -> None:
        """Add what `other`, a later point of the same kind and key, has measured."""
        self.exemplars = (self.exemplars + other.exemplars)[-MAX_EXEMPLARS:]
        starts = [start for start in (self.start_unix_ns, other.start_unix_ns) if start]
        self.start_unix_ns = min(starts, default=0)
        self.time_unix_ns = max(self.time_unix_ns, other.time_unix_ns)

    def read_field(self, number: int, wire_type: int, value: bytes | int) -> None:
        """Decode one field. Raises `UnmergeableError` for an unknown one."""
        raise UnmergeableError(f"field {number} of type {wire_type}: {value!r}")

    def check_complete(self) -> None:
        """Check the point once all fields are decoded. Raises `UnmergeableError`."""

    def body(self) -> bytes:
        """The encoded fields that only this kind of point has."""
        raise NotImplementedError

    def encode(self, attributes: Iterable[bytes]) -> bytes:
        """The encoded message; `attributes` are encoded ``KeyValue`` messages."""
        tag = _tag(self.attributes_number)
        parts = [field(tag, attribute) for attribute in attributes]
        if self.start_unix_ns:
            parts.append(b"\x11" + pack_fixed64(self.start_unix_ns))
        parts += [b"\x19" + pack_fixed64(self.time_unix_ns), self.body()]
        tag = _tag(self.exemplars_number)
        return b"".join(parts + [field(tag, exemplar) for exemplar in self.exemplars])


class Number(Point):
    """A ``NumberDataPoint``: a sum of deltas; of a gauge or total (`last`), the last value."""

    __slots__ = ("last", "value")

    def __init__(self, *, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.value: int | float | None = None

    def read_field(self, number: int, wire_type: int, value: bytes | int) -> None:
        if number == 4 and isinstance(value, bytes):
            self.value = unpack_double(value)
        elif number == 6 and isinstance(value, bytes):
            self.value = _signed(value)
        else:
            super().read_field(number, wire_type, value)

    @classmethod
    def of_value(cls, value: float, start_unix_ns: int, time_unix_ns: int) -> Number:
        """A sum that begins with `value`."""
        point = cls()
        point.value = value
        point.start_unix_ns, point.time_unix_ns = start_unix_ns, time_unix_ns
        return point

    def add_value(self, value: float, time_unix_ns: int) -> None:
        """Add `value` to the sum."""
        assert self.value is not None
        self.value += value
        self.time_unix_ns = max(self.time_unix_ns, time_unix_ns)

    def check_complete(self) -> None:
        if self.value is None:
            raise UnmergeableError("a number without a value")

    def merge(self, other: Point) -> None:
        assert isinstance(other, Number)
        assert self.value is not None
        assert other.value is not None
        if not self.last:
            self.value += other.value
        elif other.time_unix_ns >= self.time_unix_ns:
            self.value = other.value
        super().merge(other)

    def body(self) -> bytes:
        value = self.value
        if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
            return b"\x31" + _pack_sfixed64(value)
        return b"\x21" + pack_double(value)


def read_point(point: Point, data: bytes) -> Attributes:
    """Decode `data` into an empty `point`; the attributes, in canonical order.

    Raises:
        UnmergeableError: the point cannot be merged.
        ValueError: `data` is no such message.
    """
    attributes: list[bytes] = []
    try:
        for number, wire_type, value in protobuf.fields(data):
            if number == point.attributes_number and isinstance(value, bytes):
                attributes.append(value)
            elif number in (2, 3) and wire_type == protobuf.FIXED64:
                assert isinstance(value, bytes)
                name = "start_unix_ns" if number == 2 else "time_unix_ns"
                setattr(point, name, int.from_bytes(value, "little"))
            elif number == point.exemplars_number and isinstance(value, bytes):
                point.exemplars.append(value)
            elif number not in (8, 10) or value != 0:  # flags, of one kind or the other, are 0
                point.read_field(number, wire_type, value)
    except error as defect:
        raise ValueError(str(defect)) from None
    point.check_complete()
    del point.exemplars[:-MAX_EXEMPLARS]
    return tuple(sorted(attributes))


def _tag(number: int) -> bytes:
    return bytes((number << 3 | protobuf.BYTES,))


def encode_attributes(values: Mapping[str, object]) -> Attributes:
    """Attributes as points of the forwarder's own have them: encoded, in canonical order."""
    return tuple(sorted([protobuf.attribute(name, value) for name, value in values.items()]))


def unpack_double(data: bytes) -> float:
    """The value of a double field."""
    value: float = unpack("<d", data)[0]
    return value


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)
