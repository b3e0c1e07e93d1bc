"""One metric between two flushes: a data point for each set of attributes; pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics.metric_points import (
    ExponentialHistogram,
    Histogram,
    Number,
    Point,
    UnmergeableError,
    read,
)
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.metrics.metric_points import Attributes

    Key = tuple[Attributes, object]

# KeyValue{otel.metric.overflow: true}
OVERFLOW: Attributes = (b"\n\x14otel.metric.overflow\x12\x02\x10\x01",)
GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM = 5, 7, 9, 10
DELTA, CUMULATIVE = 1, 2
_KINDS = frozenset((GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM))
_TEXTS = {1: "name", 2: "description", 3: "unit"}
# Totals over the limit are kept one by one, for only the latest of each may be added up.
_MOST_TOTALS_OVER = 20_000


class Metric:
    """One metric: its points by attributes, each of at most one value for a key.

    Args:
        limit: of its points, that of the overflow included;
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

    def empty(self) -> Metric:
        """The same metric without points."""
        other = Metric(self._limit)
        other.name, other.description, other.unit = self.name, self.description, self.unit
        other.kind, other.temporality, other.monotonic = self.kind, self.temporality, self.monotonic
        return other

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two metrics one and the same."""
        return self.name, self.unit, self.kind, self.temporality, self.monotonic

    @property
    def totals(self) -> bool:
        """Whether points are cumulative: the latest says it all, and none may be added to it."""
        return self.temporality == CUMULATIVE and self.kind != GAUGE

    def described(self, other: Metric) -> None:
        """Of two descriptions of one metric the longer one is kept.

        https://opentelemetry.io/docs/specs/otel/metrics/data-model/#opentelemetry-protocol-data-model-producer-recommendations
        """
        if len(other.description) > len(self.description):
            self.description = other.description

    def add(self, attributes: Attributes, point: Point) -> Point | None:
        """Merge `point` into the one that there is, or the overflow's over the limit.

        What it is in now; None if there is no room for it at all.
        """
        key = (attributes, point.key)
        points = self.points
        known = points.get(key)
        if known is None and len(points) >= self._limit - 1:
            if self.totals:
                points = self._over
            else:
                key = (OVERFLOW, point.key)
            known = points.get(key)
            # One overflow point; one with other boundaries is no part of it.
            most = _MOST_TOTALS_OVER if self.totals else self._limit
            if known is None and len(points) >= most:
                return None
        if known is None or (self.totals and point.time_unix_ns >= known.time_unix_ns):
            points[key] = point
            return point
        if not self.totals:
            known.merge(point)
        return known

    def _add_up_totals(self) -> None:
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
        self._add_up_totals()
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
    """A ``Metric`` message, its points apart.

    Raises:
        UnmergeableError: it must go on as it is.
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
    return metric, [_point(metric, data) for data in encoded]


def _point(metric: Metric, data: bytes) -> tuple[Attributes, Point]:
    kind, delta = metric.kind, metric.temporality == DELTA
    point: Point
    if kind == GAUGE:
        point = Number(last=True)
    elif kind == SUM:
        point = Number()
    else:
        point = Histogram() if kind == HISTOGRAM else ExponentialHistogram()
    attributes = read(point, data)
    if kind != GAUGE and not delta:
        # Each process counts for itself, from its own start.
        point.key = (point.key, point.start_unix_ns)
    return attributes, point
