"""Metrics of many invocations, aggregated to one data point for each set of attributes. Pure.

A function that sends its metrics at the end of every invocation would make a point of each; until
the next flush they are merged here. Deltas add up, gauges and cumulative sums keep the last value,
and metrics that cannot be merged are sent on as they came.

Items of frames are only stored when they come, because the end of an invocation must not wait for
arithmetic. They are decoded and merged when a flush takes them, or when too many bytes wait.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.destinations.destination import METRICS
from serverless_instrument.forwarder.metrics.histogram_points import Histogram
from serverless_instrument.forwarder.metrics.metric_points import (
    GAUGE,
    HISTOGRAM,
    SUM,
    Number,
    UnmergeableError,
)
from serverless_instrument.forwarder.metrics.metric_series import DELTA, Metric, read_metric
from serverless_instrument.forwarder.metrics.metric_store import MetricStore
from serverless_instrument.forwarder.metrics.metric_templates import Templates
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from serverless_instrument.forwarder.metrics.metric_points import Attributes, Point
    from serverless_instrument.forwarder.metrics.metric_store import Metrics
    from serverless_instrument.forwarder.metrics.metric_templates import Template
    from serverless_instrument.forwarder.patterns.otlp_masking import OtlpMasking

    Entry = tuple[bytes, bytes, bytes, int]

    class Source(Protocol):
        """Something that records into the aggregation only when it is asked to."""

        def __bool__(self) -> bool: ...

        def tell(self) -> None:
            """Record what has happened since the last call."""


# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
CARDINALITY_LIMIT = 2000
# Of items that are not merged yet: a frame of ten histograms has 4 KiB, and takes 0.1 ms.
_MERGE_WHEN_IDLE_BYTES = 64 * 1024
_MAX_WAITING_BYTES = 1024 * 1024
# Instrumentation scopes that have templates.
_MAX_SCOPES = 100
# Points of the forwarder's own metrics that are found without their metric.
_MAX_OWN_POINTS = 1000
# why something is dropped; see metric_store.py for others
MALFORMED = "malformed"


class Aggregation:
    """Metrics between two flushes.

    `sources` record what they know before a flush; `since_unix_ns` is where the next deltas of the
    forwarder's own begin; `collections` counts the calls of `collect_metrics`. `masking` is applied
    before points are merged, None where no mask is set.
    """

    __slots__ = (
        "_limit",
        "_own",
        "_store",
        "_templates",
        "_touched",
        "_unmergeable",
        "_waiting",
        "_waiting_bytes",
        "collections",
        "masking",
        "since_unix_ns",
        "sources",
    )

    def __init__(self, cardinality_limit: int = CARDINALITY_LIMIT) -> None:
        self._limit = cardinality_limit
        self._store = MetricStore()
        self._unmergeable: list[Entry] = []
        self._waiting: list[tuple[bytes, bytes, bytes]] = []
        self._waiting_bytes = 0
        self._own: dict[tuple[object, ...], Point] = {}
        self._templates: dict[tuple[bytes, bytes], Templates] = {}
        # Templates that have a point in this interval.
        self._touched: list[Template] = []
        self.sources: list[Source] = []
        self.masking: OtlpMasking | None = None
        self.collections = 0
        self.since_unix_ns = 0

    def __bool__(self) -> bool:
        return bool(self._store or self._unmergeable or self._waiting or any(self.sources))

    def add_items(self, resource: bytes, scope: bytes, items: bytes) -> None:
        """Store the tagged ``Metric`` items of a METRICS frame. Never raises."""
        self._waiting.append((resource, scope, items))
        self._waiting_bytes += len(items)
        if self._waiting_bytes > _MAX_WAITING_BYTES:
            self._merge_waiting()

    def merge_if_large(self) -> None:
        """Merge the stored items if they are many: for a moment at which nothing waits for it."""
        if self._waiting_bytes > _MERGE_WHEN_IDLE_BYTES:
            self._merge_waiting()

    def take_dropped(self) -> dict[str, int]:
        """By reason, how much was lost since the last call."""
        dropped, self._store.dropped = self._store.dropped, {}
        return dropped

    def _merge_waiting(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        masking = self.masking
        if masking is not None:
            waiting = [
                (*self._masked_origin(resource, scope), masking.mask_items(METRICS, items))
                for resource, scope, items in waiting
            ]
        for resource, scope, items in waiting:
            try:
                for _, _, item in protobuf.fields(items):
                    if isinstance(item, bytes):
                        self._merge_item(resource, scope, item)
            except ValueError:
                self._store.count_dropped(MALFORMED)

    def _merge_item(self, resource: bytes, scope: bytes, item: bytes) -> None:
        templates = self._templates.get((resource, scope))
        if templates is None:
            if len(self._templates) >= _MAX_SCOPES:
                self._templates.clear()
            templates = self._templates[(resource, scope)] = Templates()
        if matched := templates.match_item(item):
            self._merge_matched(resource, scope, *matched)
            return
        try:
            metric, points = read_metric(item, self._limit)
        except UnmergeableError:
            self._unmergeable.append((resource, scope, field(b"\x12", item), 1))
            return
        except ValueError:
            self._store.count_dropped(MALFORMED)
            return
        if len(points) == 1:
            templates.add_template(item, metric, *points[0])
        for attributes, point in points:
            self._store.add_point(resource, scope, metric, attributes, point)

    def _merge_matched(
        self, resource: bytes, scope: bytes, template: Template, point: Point
    ) -> None:
        if template.point is not None:
            template.point.merge(point)
            return
        metric, attributes = template.metric.without_points(), template.attributes
        template.point = self._store.add_point(resource, scope, metric, attributes, point)
        self._touched.append(template)

    def add_to_sum(
        self,
        resource: bytes,
        scope: bytes,
        name: str,
        unit: str,
        value: float,
        time_unix_ns: int,
        attributes: Attributes = (),
    ) -> None:
        """Add `value` to a monotonic delta sum of the forwarder's own."""
        if self.masking is not None:
            resource, scope = self._masked_origin(resource, scope)
            attributes = self.masking.mask_attributes(attributes)
        key = (resource, scope, name, unit, attributes)
        known = self._own.get(key)
        if isinstance(known, Number):
            known.add_value(value, time_unix_ns)
            return
        point = Number.of_value(value, self._delta_start(time_unix_ns), time_unix_ns)
        metric = self._own_metric(name, unit, SUM)
        self._keep_own(key, self._store.add_point(resource, scope, metric, attributes, point))

    def record_in_histogram(
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
        if self.masking is not None:
            resource, scope = self._masked_origin(resource, scope)
            attributes = self.masking.mask_attributes(attributes)
        key = (resource, scope, name, unit, attributes, bounds)
        known = self._own.get(key)
        if isinstance(known, Histogram):
            known.record_value(value, bounds, time_unix_ns)
            return
        point = Histogram.of_value(value, bounds, self._delta_start(time_unix_ns), time_unix_ns)
        metric = self._own_metric(name, unit, HISTOGRAM)
        self._keep_own(key, self._store.add_point(resource, scope, metric, attributes, point))

    def add_point(
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
        """Merge a point into a metric of the forwarder's own, of `kind` (`SUM`, ...), of deltas."""
        if self.masking is not None:
            resource, scope = self._masked_origin(resource, scope)
            attributes = self.masking.mask_attributes(attributes)
            name, unit = self.masking.mask_name(name), self.masking.mask_name(unit)
        metric = self._own_metric(name, unit, kind)
        metric.monotonic = monotonic
        if kind == GAUGE:
            metric.temporality = 0
        self._store.add_point(resource, scope, metric, attributes, point)

    def _masked_origin(self, resource: bytes, scope: bytes) -> tuple[bytes, bytes]:
        assert self.masking is not None
        return self.masking.mask_resource(resource), self.masking.mask_scope(scope)

    def _delta_start(self, time_unix_ns: int) -> int:
        """The start of a new delta: the end of the one before it, but not after `time_unix_ns`."""
        return min(self.since_unix_ns or time_unix_ns, time_unix_ns)

    def _own_metric(self, name: str, unit: str, kind: int) -> Metric:
        metric = Metric(self._limit)
        metric.name, metric.unit = name.encode("utf-8", "replace"), unit.encode("utf-8", "replace")
        metric.kind, metric.temporality, metric.monotonic = kind, DELTA, kind == SUM
        return metric

    def _keep_own(self, key: tuple[object, ...], point: Point | None) -> None:
        if point is not None and len(self._own) < _MAX_OWN_POINTS:
            self._own[key] = point

    def clear(self) -> int:
        """Discard everything, without decoding it; the number of frames and metrics that it was."""
        discarded = len(self._waiting) + len(self._unmergeable) + self._store.metric_count
        self._waiting, self._waiting_bytes, self._unmergeable = [], 0, []
        self._take_metrics()
        return discarded

    def _take_metrics(self) -> Metrics:
        for template in self._touched:
            template.point = None
        self._own, self._touched = {}, []
        return self._store.take_metrics()

    def collect_metrics(self) -> list[Entry]:
        """(resource, scope, tagged items, data points) of everything since the last call."""
        self.collections += 1
        for source in self.sources:
            source.tell()
        self._merge_waiting()
        for own in self._own.values():
            self.since_unix_ns = max(self.since_unix_ns, own.time_unix_ns)
        entries, self._unmergeable = self._unmergeable, []
        # Taken out before it is encoded: what cannot be encoded must not come again.
        for (resource, scope), metrics in self._take_metrics().items():
            for metric in metrics.values():
                item = field(b"\x12", metric.encode())
                entries.append((resource, scope, item, len(metric.points)))
        return entries
