"""Data points of OTLP metrics: from bytes, merged, to bytes; pure.

Fields: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto.
Rules for merging: https://opentelemetry.io/docs/specs/otel/metrics/data-model/.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct, error, pack, unpack

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics import exponential_buckets
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Attributes = tuple[bytes, ...]

# Of each point the latest are kept: they lead to traces that are still there.
_MOST_EXEMPLARS = 10
_INT64_MIN, _INT64_MAX, _UINT64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
_FIXED64 = Struct("<Q").pack
_DOUBLE = Struct("<d").pack
_SFIXED64 = Struct("<q").pack


class UnmergeableError(Exception):
    """A point that must go on as it came: without a value, or with fields that are not known."""


class Point:
    """What all points have: times in Unix nanoseconds, encoded exemplars.

    `key` tells apart what must not be merged although its attributes are the same.
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
        """Take what `other`, of the same kind and key, has measured after this."""
        self.exemplars = (self.exemplars + other.exemplars)[-_MOST_EXEMPLARS:]
        starts = [start for start in (self.start_unix_ns, other.start_unix_ns) if start]
        self.start_unix_ns = min(starts, default=0)
        self.time_unix_ns = max(self.time_unix_ns, other.time_unix_ns)

    def take(self, number: int, wire_type: int, value: bytes | int) -> None:
        """Read one field. Raises `UnmergeableError` for one that is not known."""
        raise UnmergeableError(f"field {number} of type {wire_type}: {value!r}")

    def complete(self) -> None:
        """All fields have been read. Raises `UnmergeableError` where one is missing."""

    def body(self) -> bytes:
        """The fields of this kind of point."""
        raise NotImplementedError

    def encode(self, attributes: Iterable[bytes]) -> bytes:
        """The point with `attributes`, encoded ``KeyValue`` messages, and without its tag."""
        tag = _tag(self.attributes_number)
        parts = [field(tag, attribute) for attribute in attributes]
        if self.start_unix_ns:
            parts.append(b"\x11" + _FIXED64(self.start_unix_ns))
        parts += [b"\x19" + _FIXED64(self.time_unix_ns), self.body()]
        tag = _tag(self.exemplars_number)
        return b"".join(parts + [field(tag, exemplar) for exemplar in self.exemplars])


class Number(Point):
    """A sum of deltas, or the last value of a gauge or cumulative sum where `last`."""

    __slots__ = ("last", "value")

    def __init__(self, *, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.value: int | float | None = None

    def take(self, number: int, wire_type: int, value: bytes | int) -> None:
        if number == 4 and isinstance(value, bytes):
            self.value = _double(value)
        elif number == 6 and isinstance(value, bytes):
            self.value = _signed(value)
        else:
            super().take(number, wire_type, value)

    @classmethod
    def of(cls, value: float, start_unix_ns: int, time_unix_ns: int) -> Number:
        """A sum that begins with `value`."""
        point = cls()
        point.value = value
        point.start_unix_ns, point.time_unix_ns = start_unix_ns, time_unix_ns
        return point

    def record(self, value: float, time_unix_ns: int) -> None:
        """Add `value`."""
        assert self.value is not None
        self.value += value
        self.time_unix_ns = max(self.time_unix_ns, time_unix_ns)

    def complete(self) -> None:
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
            return b"\x31" + _SFIXED64(value)
        return b"\x21" + _DOUBLE(value)


class _Distribution(Point):
    """What both kinds of histogram have; `total`, `least` and `most` are None where not told."""

    __slots__ = ("count", "least", "most", "total")

    # Numbers of min and max.
    extremes = (11, 12)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.total: float | None = None
        self.least: float | None = None
        self.most: float | None = None

    def take(self, number: int, wire_type: int, value: bytes | int) -> None:
        if not isinstance(value, bytes):
            super().take(number, wire_type, value)
        elif number == 4:
            self.count = int.from_bytes(value, "little")
        elif number == 5:
            self.total = _double(value)
        elif number == self.extremes[0]:
            self.least = _double(value)
        elif number == self.extremes[1]:
            self.most = _double(value)
        else:
            super().take(number, wire_type, value)

    def merge(self, other: Point) -> None:
        assert isinstance(other, _Distribution)
        if other.count and self.count:
            # What one of the two does not tell is not known of both together.
            self.total = _both(self.total, other.total, sum)
            self.least = _both(self.least, other.least, min)
            self.most = _both(self.most, other.most, max)
        elif other.count:
            self.total, self.least, self.most = other.total, other.least, other.most
        self.count += other.count
        super().merge(other)

    def body(self) -> bytes:
        parts = [b"\x21" + _count(self.count)]
        values = (self.total, self.least, self.most)
        for number, value in zip((5, *self.extremes), values, strict=True):
            if value is not None:
                parts.append(bytes((number << 3 | protobuf.FIXED64,)) + _DOUBLE(value))
        return b"".join(parts)


class Histogram(_Distribution):
    """Explicit bucket boundaries, which are the key: other ones cannot be merged."""

    __slots__ = ("_bounds", "counts")

    attributes_number = 9
    exemplars_number = 8

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []
        self._bounds = b""

    def take(self, number: int, wire_type: int, value: bytes | int) -> None:
        if number in (6, 7) and wire_type in (protobuf.BYTES, protobuf.FIXED64):
            assert isinstance(value, bytes)
            if number == 7:
                self._bounds += value
            else:
                self.counts += unpack(f"<{len(value) // 8}Q", value)
        else:
            super().take(number, wire_type, value)

    def complete(self) -> None:
        # Without buckets there are neither counts nor boundaries.
        if len(self._bounds) % 8 or len(self.counts) != len(self._bounds) // 8 + bool(self.counts):
            raise UnmergeableError("bucket counts and boundaries do not fit")
        self.key = (self._bounds, len(self.counts))

    def merge(self, other: Point) -> None:
        assert isinstance(other, Histogram)
        pairs = zip(self.counts, other.counts, strict=True)
        self.counts = [mine + theirs for mine, theirs in pairs]
        super().merge(other)

    def body(self) -> bytes:
        return super().body() + b"".join(self.encoded_buckets())

    def encoded_buckets(self) -> tuple[bytes, bytes]:
        """Fields of counts and boundaries, b"" where there are none."""
        try:
            counts = pack(f"<{len(self.counts)}Q", *self.counts)
        except error:
            # A sum of counts may not fit where each of them did.
            counts = b"".join([_count(count) for count in self.counts])
        bounds = field(b"\x3a", self._bounds) if self._bounds else b""
        return (field(b"\x32", counts), bounds) if counts else (b"", b"")

    @classmethod
    def alike(cls, key: object, counts: list[int]) -> Histogram:
        """An empty point with boundaries of the point that has this `key`, and its counts."""
        point = cls()
        point.key, point.counts = key, counts
        assert isinstance(key, tuple)
        point._bounds = key[0]
        return point

    @classmethod
    def of(
        cls, value: float, bounds: tuple[float, ...], start_unix_ns: int, time_unix_ns: int
    ) -> Histogram:
        """One measurement; `bounds` are upper and inclusive, in ascending order."""
        point = cls()
        point.start_unix_ns = start_unix_ns
        point.total, point.least, point.most = 0, value, value
        point.counts = [0] * (len(bounds) + 1)
        point._bounds = _packed(bounds)
        point.complete()
        point.record(value, bounds, time_unix_ns)
        return point

    def record(self, value: float, bounds: tuple[float, ...], time_unix_ns: int) -> None:
        """One measurement more, for a point made by `of` with the same `bounds`."""
        assert self.total is not None
        assert self.least is not None
        assert self.most is not None
        self.counts[bisect_left(bounds, value)] += 1
        self.count += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.time_unix_ns = max(self.time_unix_ns, time_unix_ns)


class ExponentialHistogram(_Distribution):
    """Buckets of base 2 to the power of 2 to the power of -scale; the zero threshold is the key."""

    __slots__ = ("negative", "positive", "scale", "zero_count", "zero_threshold")

    attributes_number = 1
    exemplars_number = 11
    extremes = (12, 13)

    def __init__(self) -> None:
        super().__init__()
        self.scale = 0
        self.zero_count = 0
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.zero_threshold = 0.0

    def take(self, number: int, wire_type: int, value: bytes | int) -> None:
        if number == 6 and isinstance(value, int):
            self.scale = exponential_buckets.zigzag(value)
        elif number == 7 and isinstance(value, bytes):
            self.zero_count = int.from_bytes(value, "little")
        elif number == 8 and isinstance(value, bytes):
            self.positive = exponential_buckets.decode(value)
        elif number == 9 and isinstance(value, bytes):
            self.negative = exponential_buckets.decode(value)
        elif number == 14 and isinstance(value, bytes):
            self.key = self.zero_threshold = _double(value)
        else:
            super().take(number, wire_type, value)

    def merge(self, other: Point) -> None:
        assert isinstance(other, ExponentialHistogram)
        mine = (self.scale, self.positive, self.negative)
        merged = exponential_buckets.merged(mine, (other.scale, other.positive, other.negative))
        self.scale, self.positive, self.negative = merged
        self.zero_count += other.zero_count
        super().merge(other)

    def body(self) -> bytes:
        parts = [super().body(), b"\x30", varint(exponential_buckets.to_zigzag(self.scale))]
        parts.append(b"\x39" + _count(self.zero_count))
        for tag, buckets in ((b"\x42", self.positive), (b"\x4a", self.negative)):
            if buckets:
                parts.append(field(tag, exponential_buckets.encode(buckets)))
        if self.zero_threshold:
            parts.append(b"\x71" + _DOUBLE(self.zero_threshold))
        return b"".join(parts)


def read(point: Point, data: bytes) -> Attributes:
    """Fill an empty `point` from its encoded message; its attributes, in canonical order.

    Raises:
        UnmergeableError: it says more, or less, than can be merged.
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
                point.take(number, wire_type, value)
    except error as defect:
        raise ValueError(str(defect)) from None
    point.complete()
    del point.exemplars[:-_MOST_EXEMPLARS]
    return tuple(sorted(attributes))


def _both(mine: float | None, theirs: float | None, function: object) -> float | None:
    if mine is None or theirs is None:
        return None
    value: float = function((mine, theirs))  # type: ignore[operator] # sum, min or max
    return value


def _packed(bounds: tuple[float, ...]) -> bytes:
    return pack(f"<{len(bounds)}d", *bounds)


def _tag(number: int) -> bytes:
    return bytes((number << 3 | protobuf.BYTES,))


def _count(value: int) -> bytes:
    # A sum of counts may not fit where each of them did.
    return _FIXED64(min(value, _UINT64_MAX))


def _double(data: bytes) -> float:
    value: float = unpack("<d", data)[0]
    return value


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)
