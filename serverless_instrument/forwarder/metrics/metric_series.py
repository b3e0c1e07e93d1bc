"""One metric between two flushes, with a data point for each set of attributes. Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics.histogram_points import (
    ExponentialHistogram,
    Histogram,
)
from serverless_instrument.forwarder.metrics.metric_points import (
    EXPONENTIAL_HISTOGRAM,
    GAUGE,
    HISTOGRAM,
    SUM,
    Number,
    Point,
    UnmergeableError,
    read_point,
)
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.metrics.metric_points import Attributes

    Key = tuple[Attributes, object]

# KeyValue{otel.metric.overflow: true}
OVERFLOW: Attributes = (b"\n\x14otel.metric.overflow\x12\x02\x10\x01",)
DELTA, CUMULATIVE = 1, 2
_KINDS = frozenset((GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM))
_TEXTS = {1: "name", 2: "description", 3: "unit"}
# Cumulative points over the limit are kept one by one: only the latest of each may be added up.
_MAX_CUMULATIVE_OVER = 20_000


class Metric:
    """One metric and its points, by attributes and `Point.key`.

    Args:
        limit: how many points it may have, the one of the overflow included;
            https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits.
    """

    __slots__ = (
        "_limit",
        "_over",
        "description",
        "kind",
        "monotonic",
        "name",
        "points",
        "temporality",
        "unit",
    )

    def __init__(self, limit: int) -> None:
        self.name = self.description = self.unit = b""
        self.kind = self.temporality = 0
        self.monotonic = False
        self.points: dict[Key, Point] = {}
        self._over: dict[Key, Point] = {}
        self._limit = limit

    def without_points(self) -> Metric:
        """The same metric, without its points."""
        other = Metric(self._limit)
        other.name, other.description, other.unit = self.name, self.description, self.unit
        other.kind, other.temporality, other.monotonic = self.kind, self.temporality, self.monotonic
        return other

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal where two metrics are the same."""
        return self.name, self.unit, self.kind, self.temporality, self.monotonic

    @property
    def is_cumulative(self) -> bool:
        """Whether points are totals: the latest replaces those before it."""
        return self.temporality == CUMULATIVE and self.kind != GAUGE

    def keep_longer_description(self, other: Metric) -> None:
        """Keep the longer one of two descriptions of one metric.

        https://opentelemetry.io/docs/specs/otel/metrics/data-model/#opentelemetry-protocol-data-model-producer-recommendations
        """
        if len(other.description) > len(self.description):
            self.description = other.description

    def add_point(self, attributes: Attributes, point: Point) -> Point | None:
        """Merge `point` into the one with its attributes, over the limit into the overflow's.

        Returns:
            The point that it is part of now, None if there is no room for it.
        """
        key = (attributes, point.key)
        points = self.points
        known = points.get(key)
        if known is None and len(points) >= self._limit - 1:
            if self.is_cumulative:
                points = self._over
            else:
                key = (OVERFLOW, point.key)
            known = points.get(key)
            # One overflow point for each key: points with other boundaries cannot be merged.
            most = _MAX_CUMULATIVE_OVER if self.is_cumulative else self._limit
            if known is None and len(points) >= most:
                return None
        if known is None or (self.is_cumulative and point.time_unix_ns >= known.time_unix_ns):
            points[key] = point
            return point
        if not self.is_cumulative:
            known.merge(point)
        return known

    def _merge_overflow(self) -> None:
        for (_, point_key), point in self._over.items():
            key = (OVERFLOW, point_key)
            known = self.points.get(key)
            if known is None:
                self.points[key] = point
            else:
                known.merge(point)
        self._over = {}

    def encode(self) -> bytes:
        """The ``Metric`` message."""
        self._merge_overflow()
        parts = [field(b"\x0a", self.name)]
        if self.description:
            parts.append(field(b"\x12", self.description))
        if self.unit:
            parts.append(field(b"\x1a", self.unit))
        body = [field(b"\x0a", point.encode(key[0])) for key, point in self.points.items()]
        if self.kind != GAUGE:
            body.append(b"\x10" + varint(self.temporality))
        if self.monotonic:
            body.append(b"\x18\x01")
        parts.append(field(bytes((self.kind << 3 | protobuf.BYTES,)), b"".join(body)))
        return b"".join(parts)


def read_metric(item: bytes, limit: int) -> tuple[Metric, list[tuple[Attributes, Point]]]:
    """(metric without points, its points with their attributes) of a ``Metric`` message.

    Raises:
        UnmergeableError: it is to be sent on as it is.
        ValueError: it is no such message.
    """
    metric, body = Metric(limit), b""
    for number, _, value in protobuf.fields(item):
        name = _TEXTS.get(number)
        if (name is None and number not in _KINDS) or not isinstance(value, bytes):
            raise UnmergeableError(f"field {number}")
        if name is None:
            metric.kind, body = number, value
        else:
            setattr(metric, name, value)
    if not metric.kind:
        raise UnmergeableError("no data")
    encoded = []
    for number, _, value in protobuf.fields(body):
        if number == 1 and isinstance(value, bytes):
            encoded.append(value)
        elif number == 2 and isinstance(value, int):
            metric.temporality = value
        elif number == 3 and isinstance(value, int):
            metric.monotonic = bool(value)
    return metric, [_read_point(metric, data) for data in encoded]


def _read_point(metric: Metric, data: bytes) -> tuple[Attributes, Point]:
    kind, delta = metric.kind, metric.temporality == DELTA
    point: Point
    if kind == GAUGE:
        point = Number(last=True)
    elif kind == SUM:
        point = Number()
    else:
        point = Histogram() if kind == HISTOGRAM else ExponentialHistogram()
    attributes = read_point(point, data)
    if kind != GAUGE and not delta:
        # Totals of several processes, each from its own start, are told apart.
        point.key = (point.key, point.start_unix_ns)
    return attributes, point
