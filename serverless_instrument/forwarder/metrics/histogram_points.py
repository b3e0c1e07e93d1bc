"""Data points of explicit and exponential histograms: decoded, merged and encoded. Pure.

Fields: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto.
Rules for merging: https://opentelemetry.io/docs/specs/otel/metrics/data-model/.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import error, pack, unpack

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics import exponential_buckets
from serverless_instrument.forwarder.metrics.metric_points import (
    EXPONENTIAL_HISTOGRAM,
    HISTOGRAM,
    Point,
    UnmergeableError,
    pack_double,
    pack_fixed64,
    unpack_double,
)
from serverless_instrument.wire import field, varint

_UINT64_MAX = (1 << 64) - 1


class _Distribution(Point):
    """What both kinds of histogram have; `total`, `least` and `most` are None where unknown."""

    __slots__ = ("count", "least", "most", "total")

    # Field numbers of min and max.
    extremes_numbers = (11, 12)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.total: float | None = None
        self.least: float | None = None
        self.most: float | None = None

    def read_field(self, number: int, wire_type: int, value: bytes | int) -> None:
        if not isinstance(value, bytes):
            super().read_field(number, wire_type, value)
        elif number == 4:
            self.count = int.from_bytes(value, "little")
        elif number == 5:
            self.total = unpack_double(value)
        elif number == self.extremes_numbers[0]:
            self.least = unpack_double(value)
        elif number == self.extremes_numbers[1]:
            self.most = unpack_double(value)
        else:
            super().read_field(number, wire_type, value)

    def merge(self, other: Point) -> None:
        assert isinstance(other, _Distribution)
        if other.count and self.count:
            # What is unknown of one of the two is unknown of both together.
            self.total = _both(self.total, other.total, sum)
            self.least = _both(self.least, other.least, min)
            self.most = _both(self.most, other.most, max)
        elif other.count:
            self.total, self.least, self.most = other.total, other.least, other.most
        self.count += other.count
        super().merge(other)

    def body(self) -> bytes:
        parts = [b"\x21" + _pack_count(self.count)]
        values = (self.total, self.least, self.most)
        for number, value in zip((5, *self.extremes_numbers), values, strict=True):
            if value is not None:
                parts.append(bytes((number << 3 | protobuf.FIXED64,)) + pack_double(value))
        return b"".join(parts)


class Histogram(_Distribution):
    """A ``HistogramDataPoint``; its key is its boundaries, as others cannot be merged with it."""

    __slots__ = ("_bounds", "counts")

    kind = HISTOGRAM
    attributes_number = 9
    exemplars_number = 8

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []
        self._bounds = b""

    def read_field(self, number: int, wire_type: int, value: bytes | int) -> None:
        if number in (6, 7) and wire_type in (protobuf.BYTES, protobuf.FIXED64):
            assert isinstance(value, bytes)
            if number == 7:
                self._bounds += value
            else:
                self.counts += unpack(f"<{len(value) // 8}Q", value)
        else:
            super().read_field(number, wire_type, value)

    def check_complete(self) -> None:
        # A point without buckets has neither counts nor boundaries.
        if len(self._bounds) % 8 or len(self.counts) != len(self._bounds) // 8 + bool(self.counts):
            raise UnmergeableError("bucket counts and boundaries do not fit")
        self.key = (self._bounds, len(self.counts))

    def merge(self, other: Point) -> None:
        assert isinstance(other, Histogram)
        pairs = zip(self.counts, other.counts, strict=True)
        self.counts = [mine + theirs for mine, theirs in pairs]
        super().merge(other)

    def body(self) -> bytes:
        return super().body() + b"".join(self.encode_buckets())

    def encode_buckets(self) -> tuple[bytes, bytes]:
        """The encoded fields of counts and boundaries, b"" where there are none."""
        try:
            counts = pack(f"<{len(self.counts)}Q", *self.counts)
        except error:
            # A sum of counts may not fit where each of them did.
            counts = b"".join([_pack_count(count) for count in self.counts])
        bounds = field(b"\x3a", self._bounds) if self._bounds else b""
        return (field(b"\x32", counts), bounds) if counts else (b"", b"")

    @classmethod
    def of_bounds(cls, bounds: tuple[float, ...]) -> Histogram:
        """An empty point; `bounds` are upper and inclusive, in ascending order."""
        point = cls()
        point._bounds = pack(f"<{len(bounds)}d", *bounds)
        point.counts = [0] * (len(bounds) + 1)
        point.check_complete()
        return point

    @classmethod
    def of_counts(cls, key: object, counts: list[int]) -> Histogram:
        """A point with `counts`, and the boundaries of points that have this `key`."""
        point = cls()
        point.key, point.counts = key, counts
        assert isinstance(key, tuple)
        point._bounds = key[0]
        return point

    @classmethod
    def of_value(
        cls, value: float, bounds: tuple[float, ...], start_unix_ns: int, time_unix_ns: int
    ) -> Histogram:
        """A point of one measurement; `bounds` are upper and inclusive, in ascending order."""
        point = cls.of_bounds(bounds)
        point.start_unix_ns = start_unix_ns
        point.total, point.least, point.most = 0, value, value
        point.record_value(value, bounds, time_unix_ns)
        return point

    def record_value(self, value: float, bounds: tuple[float, ...], time_unix_ns: int) -> None:
        """Count one more measurement; `bounds` are those of the point."""
        assert self.total is not None
        assert self.least is not None
        assert self.most is not None
        self.counts[bisect_left(bounds, value)] += 1
        self.count += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.time_unix_ns = max(self.time_unix_ns, time_unix_ns)


class ExponentialHistogram(_Distribution):
    """An ``ExponentialHistogramDataPoint``; its key is the threshold of its zero bucket.

    Buckets are counts by index, of base ``2 ** (2 ** -scale)``.
    """

    __slots__ = ("negative", "positive", "scale", "zero_count", "zero_threshold")

    kind = EXPONENTIAL_HISTOGRAM
    attributes_number = 1
    exemplars_number = 11
    extremes_numbers = (12, 13)

    def __init__(self) -> None:
        super().__init__()
        self.scale = 0
        self.zero_count = 0
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.zero_threshold = 0.0

    def read_field(self, number: int, wire_type: int, value: bytes | int) -> None:
        if number == 6 and isinstance(value, int):
            self.scale = exponential_buckets.from_zigzag(value)
        elif number == 7 and isinstance(value, bytes):
            self.zero_count = int.from_bytes(value, "little")
        elif number == 8 and isinstance(value, bytes):
            self.positive = exponential_buckets.decode(value)
        elif number == 9 and isinstance(value, bytes):
            self.negative = exponential_buckets.decode(value)
        elif number == 14 and isinstance(value, bytes):
            self.key = self.zero_threshold = unpack_double(value)
        else:
            super().read_field(number, wire_type, value)

    def merge(self, other: Point) -> None:
        assert isinstance(other, ExponentialHistogram)
        mine = (self.scale, self.positive, self.negative)
        merged = exponential_buckets.merge_sides(
            mine, (other.scale, other.positive, other.negative)
        )
        self.scale, self.positive, self.negative = merged
        self.zero_count += other.zero_count
        super().merge(other)

    def body(self) -> bytes:
        parts = [super().body(), b"\x30", varint(exponential_buckets.to_zigzag(self.scale))]
        parts.append(b"\x39" + _pack_count(self.zero_count))
        for tag, buckets in ((b"\x42", self.positive), (b"\x4a", self.negative)):
            if buckets:
                parts.append(field(tag, exponential_buckets.encode(buckets)))
        if self.zero_threshold:
            parts.append(b"\x71" + pack_double(self.zero_threshold))
        return b"".join(parts)


def _both(mine: float | None, theirs: float | None, function: object) -> float | None:
    if mine is None or theirs is None:
        return None
    value: float = function((mine, theirs))  # type: ignore[operator] # sum, min or max
    return value


def _pack_count(value: int) -> bytes:
    # A sum of counts may not fit where each of them did.
    return pack_fixed64(min(value, _UINT64_MAX))
