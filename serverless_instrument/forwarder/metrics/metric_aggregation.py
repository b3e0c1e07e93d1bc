"""Metrics of many invocations to one data point for each set of attributes; pure.

A function that sends its metrics at the end of every invocation would make a point of each: here
they are merged until the next flush. Deltas add up, gauges and cumulative sums keep the last value,
what is not understood goes on as it came.

What comes is only remembered, because the end of an invocation must not wait for arithmetic: it is
read and merged when a flush takes it, or when too much waits.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics.metric_points import (
    Histogram,
    Number,
    UnmergeableError,
)
from serverless_instrument.forwarder.metrics.metric_series import (
    DELTA,
    GAUGE,
    HISTOGRAM,
    SUM,
    Metric,
    read_metric,
)
from serverless_instrument.forwarder.metrics.metric_templates import Templates
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from serverless_instrument.forwarder.metrics.metric_points import Attributes, Point
    from serverless_instrument.forwarder.metrics.metric_templates import Template

    Entry = tuple[bytes, bytes, bytes, int]

    class Source(Protocol):
        """Something that records into the aggregation only when it is asked to."""

        def __bool__(self) -> bool: ...

        def tell(self) -> None:
            """Record what has happened since the last call."""


# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
CARDINALITY_LIMIT = 2000
# Names, in all: a name made from a value must not fill the memory either.
_MOST_METRICS = 2000
# Unread bytes; a frame of ten histograms has 4 KiB, and takes a tenth of a millisecond.
_MUCH_WAITING_BYTES = 64 * 1024
_MOST_WAITING_BYTES = 1024 * 1024
# Instrumentation scopes whose series are known again.
_MOST_SCOPES = 100
# Points of the forwarder's own metrics that are found at once.
_MOST_OWN = 1000
# why something is dropped
MALFORMED, TOO_MANY_METRICS, TOO_MANY_SERIES = "malformed", "too many names", "too many attributes"


class Aggregation:
    """Between two flushes.

    `sources` are asked before a flush takes what there is; `dropped` counts, by reason, what is
    lost; `since_unix_ns` is where the next deltas of the forwarder's own begin; `collections` is
    how often everything has been collected.
    """

    __slots__ = (
        "_limit",
        "_metrics",
        "_names",
        "_own",
        "_passing",
        "_templates",
        "_touched",
        "_waiting",
        "_waiting_bytes",
        "collections",
        "dropped",
        "since_unix_ns",
        "sources",
    )

    def __init__(self, cardinality_limit: int = CARDINALITY_LIMIT) -> None:
        self._limit = cardinality_limit
        self._metrics: dict[tuple[bytes, bytes], dict[tuple[object, ...], Metric]] = {}
        self._passing: list[Entry] = []
        self._waiting: list[tuple[bytes, bytes, bytes]] = []
        self._waiting_bytes = 0
        self._own: dict[tuple[object, ...], Point] = {}
        # In all of `_metrics`.
        self._names = 0
        self._templates: dict[tuple[bytes, bytes], Templates] = {}
        self._touched: list[Template] = []
        self.sources: list[Source] = []
        self.collections = 0
        self.dropped: dict[str, int] = {}
        self.since_unix_ns = 0

    def __bool__(self) -> bool:
        return bool(self._metrics or self._passing or self._waiting or any(self.sources))

    def add(self, resource: bytes, scope: bytes, items: bytes) -> None:
        """Take the tagged ``Metric`` items of a METRICS frame. Never raises."""
        self._waiting.append((resource, scope, items))
        self._waiting_bytes += len(items)
        if self._waiting_bytes > _MOST_WAITING_BYTES:
            self._merge()

    def keep_small(self) -> None:
        """Merge what waits if it is much: for a moment at which nobody waits for us."""
        if self._waiting_bytes > _MUCH_WAITING_BYTES:
            self._merge()

    def _merge(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for resource, scope, items in waiting:
            try:
                for _, _, item in protobuf.fields(items):
                    if isinstance(item, bytes):
                        self._item(resource, scope, item)
            except ValueError:
                self._drop(MALFORMED)

    def _drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def _item(self, resource: bytes, scope: bytes, item: bytes) -> None:
        templates = self._templates.get((resource, scope))
        if templates is None:
            if len(self._templates) >= _MOST_SCOPES:
                self._templates.clear()
            templates = self._templates[(resource, scope)] = Templates()
        if found := templates.read(item):
            self._known(resource, scope, *found)
            return
        try:
            metric, points = read_metric(item, self._limit)
        except UnmergeableError:
            self._passing.append((resource, scope, field(b"\x12", item), 1))
            return
        except ValueError:
            self._drop(MALFORMED)
            return
        if len(points) == 1:
            templates.learn(item, metric, *points[0])
        for attributes, point in points:
            self._add(resource, scope, metric, attributes, point)

    def _known(self, resource: bytes, scope: bytes, template: Template, point: Point) -> None:
        if template.point is not None:
            template.point.merge(point)
            return
        metric, attributes = template.metric.empty(), template.attributes
        template.point = self._add(resource, scope, metric, attributes, point)
        self._touched.append(template)

    def _add(
        self, resource: bytes, scope: bytes, metric: Metric, attributes: Attributes, point: Point
    ) -> Point | None:
        """The point that `point` is in now, None where there is no room."""
        metrics = self._metrics.setdefault((resource, scope), {})
        identity = metric.identity
        known = metrics.get(identity)
        if known is None:
            if self._names >= _MOST_METRICS:
                self._drop(TOO_MANY_METRICS)
                return None
            self._names += 1
            known = metrics[identity] = metric
        elif known.description != metric.description:
            known.described(metric)
        kept = known.add(attributes, point)
        if kept is None:
            self._drop(TOO_MANY_SERIES)
        return kept

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
        key = (resource, scope, name, unit, attributes)
        known = self._own.get(key)
        if isinstance(known, Number):
            known.record(value, time_unix_ns)
            return
        point = Number.of(value, self._start(time_unix_ns), time_unix_ns)
        metric = self._own_metric(name, unit, SUM)
        self._keep_own(key, self._add(resource, scope, metric, attributes, point))

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
        key = (resource, scope, name, unit, attributes, bounds)
        known = self._own.get(key)
        if isinstance(known, Histogram):
            known.record(value, bounds, time_unix_ns)
            return
        point = Histogram.of(value, bounds, self._start(time_unix_ns), time_unix_ns)
        metric = self._own_metric(name, unit, HISTOGRAM)
        self._keep_own(key, self._add(resource, scope, metric, attributes, point))

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
        metric = self._own_metric(name, unit, kind)
        metric.monotonic = monotonic
        if kind == GAUGE:
            metric.temporality = 0
        self._add(resource, scope, metric, attributes, point)

    def _start(self, time_unix_ns: int) -> int:
        """Where a new delta begins: each after the one before it, unless it is told late."""
        return min(self.since_unix_ns or time_unix_ns, time_unix_ns)

    def _own_metric(self, name: str, unit: str, kind: int) -> Metric:
        metric = Metric(self._limit)
        metric.name, metric.unit = name.encode("utf-8", "replace"), unit.encode("utf-8", "replace")
        metric.kind, metric.temporality, metric.monotonic = kind, DELTA, kind == SUM
        return metric

    def _keep_own(self, key: tuple[object, ...], point: Point | None) -> None:
        if point is not None and len(self._own) < _MOST_OWN:
            self._own[key] = point

    def clear(self) -> int:
        """Forget everything, without a look at it; the number of frames and metrics that it was."""
        forgotten = len(self._waiting) + len(self._passing) + self._names
        self._waiting, self._waiting_bytes, self._passing = [], 0, []
        self._start_anew()
        return forgotten

    def _start_anew(self) -> None:
        for template in self._touched:
            template.point = None
        self._metrics, self._own, self._touched, self._names = {}, {}, [], 0

    def collect(self) -> list[Entry]:
        """(resource, scope, tagged items, data points) of everything since the last call."""
        self.collections += 1
        for source in self.sources:
            source.tell()
        self._merge()
        for own in self._own.values():
            self.since_unix_ns = max(self.since_unix_ns, own.time_unix_ns)
        entries, self._passing = self._passing, []
        # First of all: what cannot be encoded must not come again, nor stand in the way of all.
        collected = self._metrics
        self._start_anew()
        for (resource, scope), metrics in collected.items():
            for metric in metrics.values():
                item = field(b"\x12", metric.encode())
                entries.append((resource, scope, item, len(metric.points)))
        return entries
