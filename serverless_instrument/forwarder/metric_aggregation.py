"""Metrics of many invocations to one data point for each set of attributes; pure.

A function that sends its metrics at the end of every invocation would make a point of each: here
they are merged until the next flush. Deltas add up, gauges and cumulative sums keep the last value,
what is not understood goes on as it came.
"""

from __future__ import annotations

from serverless_instrument.forwarder import protobuf
from serverless_instrument.forwarder.metric_points import (
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
    from serverless_instrument.forwarder.metric_points import Attributes

    Entry = tuple[bytes, bytes, bytes, int]

# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
CARDINALITY_LIMIT = 2000
# KeyValue{otel.metric.overflow: true}
OVERFLOW: Attributes = (b"\n\x14otel.metric.overflow\x12\x02\x10\x01",)
# Names, in all: a name made from a value must not fill the memory either.
_MOST_METRICS = 2000
GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM = 5, 7, 9, 10
DELTA, CUMULATIVE = 1, 2
_KINDS = frozenset((GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM))
_TEXTS = {1: "name", 2: "description", 3: "unit"}


class _Metric:
    """One metric: its points by attributes, each of at most one value for a key."""

    __slots__ = (
        "_limit",
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
        self.points: dict[tuple[Attributes, object], Point] = {}
        self._limit = limit

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two metrics one and the same."""
        return self.name, self.unit, self.kind, self.temporality, self.monotonic

    def take(self, body: bytes) -> list[bytes]:
        """Read the message of its kind; the encoded points. Raises ValueError."""
        encoded = []
        for number, _, value in protobuf.fields(body):
            if number == 1 and isinstance(value, bytes):
                encoded.append(value)
            elif number == 2 and isinstance(value, int):
                self.temporality = value
            elif number == 3 and isinstance(value, int):
                self.monotonic = bool(value)
        return encoded

    def add(self, attributes: Attributes, point: Point) -> None:
        """Merge `point` into the one that there is, or the overflow's over the limit."""
        key = (attributes, point.key)
        known = self.points.get(key)
        if known is None and len(self.points) >= self._limit - 1:
            key = (OVERFLOW, point.key)
            known = self.points.get(key)
            if known is None and len(self.points) >= self._limit:
                return  # one overflow point; other boundaries beyond it are nobody's need
        if known is None or (self.temporality == CUMULATIVE and self.kind != GAUGE):
            # Of totals the latest says it all.
            if known is None or point.time_unix_ns >= known.time_unix_ns:
                self.points[key] = point
        else:
            known.merge(point)

    def encode(self) -> bytes:
        """The ``Metric`` message."""
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


class Aggregation:
    """Between two flushes. `dropped` counts what was no metric at all, or one name too many.

    `collections` is how often everything has been collected.
    """

    __slots__ = ("_limit", "_metrics", "_passing", "collections", "dropped")

    def __init__(self, cardinality_limit: int = CARDINALITY_LIMIT) -> None:
        self._limit = cardinality_limit
        self._metrics: dict[tuple[bytes, bytes], dict[tuple[object, ...], _Metric]] = {}
        self._passing: list[Entry] = []
        self.collections = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._metrics or self._passing)

    def add(self, resource: bytes, scope: bytes, items: bytes) -> None:
        """Take the tagged ``Metric`` items of a METRICS frame. Never raises."""
        try:
            for _, _, item in protobuf.fields(items):
                if isinstance(item, bytes):
                    self._item(resource, scope, item)
        except ValueError:
            self.dropped += 1

    def _item(self, resource: bytes, scope: bytes, item: bytes) -> None:
        try:
            metric, points = self._read(item)
        except UnmergeableError:
            self._passing.append((resource, scope, field(b"\x12", item), 1))
            return
        except ValueError:
            self.dropped += 1
            return
        for attributes, point in points:
            self._add(resource, scope, metric, attributes, point)

    def _add(
        self, resource: bytes, scope: bytes, metric: _Metric, attributes: Attributes, point: Point
    ) -> None:
        metrics = self._metrics.setdefault((resource, scope), {})
        identity = metric.identity
        if identity not in metrics and len(metrics) >= _MOST_METRICS:
            self.dropped += 1
            return
        metrics.setdefault(identity, metric).add(attributes, point)

    def _read(self, item: bytes) -> tuple[_Metric, list[tuple[Attributes, Point]]]:
        """Raises ValueError, and `UnmergeableError` for what is to go on as it is."""
        metric, body = _Metric(self._limit), b""
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
        encoded = metric.take(body)
        return metric, [_point(metric, data) for data in encoded]

    def count(
        self,
        resource: bytes,
        scope: bytes,
        name: str,
        unit: str,
        value: float,
        time_unix_ns: int,
        attributes: Attributes = (),
    ) -> None:
        """Add `value` to a monotonic sum of the forwarder's own."""
        point = Number()
        point.value = value
        point.start_unix_ns = point.time_unix_ns = time_unix_ns
        self._add(resource, scope, self._own(name, unit, SUM), attributes, point)

    def measure(
        self,
        resource: bytes,
        scope: bytes,
        name: str,
        unit: str,
        value: float,
        bounds: tuple[float, ...],
        time_unix_ns: int,
        attributes: Attributes = (),
    ) -> None:
        """Record `value` in a histogram of the forwarder's own with explicit `bounds`."""
        point = Histogram.of(value, bounds, time_unix_ns)
        self._add(resource, scope, self._own(name, unit, HISTOGRAM), attributes, point)

    def record(
        self,
        resource: bytes,
        scope: bytes,
        name: str,
        unit: str,
        kind: int,
        point: Point,
        attributes: Attributes = (),
        *,
        monotonic: bool = False,
    ) -> None:
        """Merge a point of the forwarder's own making; `kind` is that of its metric, of deltas."""
        metric = self._own(name, unit, kind)
        metric.monotonic = monotonic
        if kind == GAUGE:
            metric.temporality = 0
        self._add(resource, scope, metric, attributes, point)

    def _own(self, name: str, unit: str, kind: int) -> _Metric:
        metric = _Metric(self._limit)
        metric.name, metric.unit = name.encode(), unit.encode()
        metric.kind, metric.temporality, metric.monotonic = kind, DELTA, kind == SUM
        return metric

    def collect(self) -> list[Entry]:
        """(resource, scope, tagged items, data points) of everything since the last call."""
        self.collections += 1
        entries, self._passing = self._passing, []
        # First of all: what cannot be encoded must not come again, nor stand in the way of all.
        collected, self._metrics = self._metrics, {}
        for (resource, scope), metrics in collected.items():
            for metric in metrics.values():
                item = field(b"\x12", metric.encode())
                entries.append((resource, scope, item, len(metric.points)))
        return entries


def _point(metric: _Metric, data: bytes) -> tuple[Attributes, Point]:
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
