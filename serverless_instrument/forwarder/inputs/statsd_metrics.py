"""Adds StatsD's metrics to the batch; loaded where StatsD is received. Pure.

Counters become sums, of deltas and monotonic until the function decreases one; timers, histograms
and distributions histograms; gauges gauges. A change of a gauge (``+3``) is applied to its last
value in this environment, to 0 without one, as a StatsD server does after a restart. A set becomes
a gauge: how many different members this environment has seen since the last flush.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import instrumentation_scope
from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.destinations.destination import METRICS
from serverless_instrument.forwarder.inputs import statsd
from serverless_instrument.forwarder.metrics import distribution
from serverless_instrument.forwarder.metrics.metric_points import (
    GAUGE,
    SUM,
    Number,
    encode_attributes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.delivery.delivery_counts import DeliveryCounts
    from serverless_instrument.forwarder.metrics.metric_points import Attributes, Point

    Series = tuple[str, Attributes]

SCOPE = instrumentation_scope("serverless_instrument.statsd")
# As many as a metric may have series: `metric_aggregation.CARDINALITY_LIMIT`.
_MAX_GAUGES, _MAX_DECREASED = 2000, 2000
# Of all sets together; a hash of 64 bits is kept for each member.
_MAX_MEMBERS = 50_000
# DogStatsD refuses counts and gauges of the future; clocks may differ a little.
_MAX_AHEAD_NS = 3_600 * 1_000_000_000
_SHOWN_CHARACTERS = 100


class StatsdMetrics:
    """Adds the metrics of datagrams to a batch; malformed lines are counted, the first is reported.

    Args:
        batch: the metrics are added to it.
        counts: counts what is dropped.
        report: see `Delivery`.
        exponential: whether histograms have exponential buckets.
    """

    __slots__ = (
        "_batch",
        "_collections",
        "_counts",
        "_decreased",
        "_exponential",
        "_fraction",
        "_gauges",
        "_members",
        "_report",
        "_sets",
    )

    def __init__(
        self,
        batch: Batch,
        counts: DeliveryCounts,
        report: Callable[[str, str], None],
        *,
        exponential: bool = False,
    ) -> None:
        self._batch = batch
        self._counts = counts
        self._report = report
        self._exponential = exponential
        self._gauges: dict[Series, float] = {}
        # Names of counters that were decreased once.
        self._decreased: set[str] = set()
        self._sets: dict[Series, set[int]] = {}
        self._members = 0
        # The value of `Aggregation.collections` when the sets were empty.
        self._collections = 0
        # The fraction that is left over where a sampling rate makes counts fractional.
        self._fraction = 0.0

    def add_datagram(self, data: bytes, resource: bytes, now_unix_ns: int) -> None:
        """Add the metrics of one datagram. Never raises."""
        found, malformed, others = statsd.parse_datagram(data)
        for measurement in found:
            if measurement.time_unix_ns > now_unix_ns + _MAX_AHEAD_NS:
                malformed.append(f"{measurement.name}, of a time that has yet to come")
            else:
                self._add_measurement(
                    measurement, resource, measurement.time_unix_ns or now_unix_ns
                )
        self._counts.add_count(
            delivery_counts.DROPPED, others, METRICS, delivery_counts.STATSD_EVENT
        )
        if malformed:
            self._counts.add_count(
                delivery_counts.DROPPED, len(malformed), METRICS, delivery_counts.MALFORMED_STATSD
            )
            text = "".join([c if c.isprintable() else "?" for c in malformed[0]])
            self._report(
                "StatsD lines",
                f"a StatsD line cannot be used: {text[:_SHOWN_CHARACTERS]!r}; it should be "
                "name:value|type, with a type of c, g, ms, h, d or s",
            )

    def count_overrun(self, datagrams: int) -> None:
        """Count `datagrams` that came faster than they were read, and are lost."""
        self._counts.add_count(
            delivery_counts.DROPPED, datagrams, METRICS, delivery_counts.STATSD_OVERRUN
        )

    def _add_measurement(
        self, measurement: statsd.Measurement, resource: bytes, time_unix_ns: int
    ) -> None:
        attributes = encode_attributes(measurement.attributes)
        series = measurement.name, attributes
        monotonic = False
        point: Point | None
        if measurement.kind == statsd.HISTOGRAM:
            pairs = [
                (value, self._whole_weight(measurement.weight)) for value in measurement.values
            ]
            point = distribution.histogram_point(
                pairs, measurement.unit, time_unix_ns, exponential=self._exponential
            )
            kind = point.kind
        elif measurement.kind == statsd.COUNTER:
            kind = SUM
            monotonic = self._only_grows(measurement)
            value = sum(measurement.values) * measurement.weight
            point = _number_point(int(value) if value.is_integer() else value, time_unix_ns)
        else:
            kind = GAUGE
            make = self._gauge_point if measurement.kind == statsd.GAUGE else self._set_point
            point = make(series, measurement, time_unix_ns)
        if point is None:
            self._counts.add_count(delivery_counts.DROPPED, 1, METRICS, delivery_counts.NO_ROOM)
            return
        self._batch.metrics.add_point(
            resource,
            SCOPE,
            measurement.name,
            measurement.unit,
            kind,
            point,
            attributes,
            monotonic=monotonic,
        )

    def _whole_weight(self, weight: float) -> int:
        """`weight` as a whole number; the mean of many results is `weight`."""
        whole = int(weight + self._fraction + 1e-9)
        self._fraction = max(0.0, weight + self._fraction - whole)
        return whole

    def _only_grows(self, measurement: statsd.Measurement) -> bool:
        """Whether the counter has never been decreased, so that its sum is monotonic."""
        decreased = min(measurement.values) < 0
        if decreased and len(self._decreased) < _MAX_DECREASED:
            self._decreased.add(measurement.name)
        return not decreased and measurement.name not in self._decreased

    def _gauge_point(
        self, series: Series, measurement: statsd.Measurement, time_unix_ns: int
    ) -> Number | None:
        level = self._gauges.get(series)
        room = level is not None or len(self._gauges) < _MAX_GAUGES
        for value, relative in zip(measurement.values, measurement.relative, strict=True):
            if relative and not room:
                return None
            level = (level or 0.0) + value if relative else value
        # A sum of changes may exceed what a single value may be.
        if level is None or not distribution.is_value(level):
            return None
        if room:
            self._gauges[series] = level
        return _number_point(level, time_unix_ns, last=True)

    def _set_point(
        self, series: Series, measurement: statsd.Measurement, time_unix_ns: int
    ) -> Number | None:
        if self._collections != self._batch.metrics.collections:
            self._collections = self._batch.metrics.collections
            self._sets, self._members = {}, 0
        members = self._sets.get(series, set())
        new = {hash(member) for member in measurement.members} - members
        if self._members + len(new) > _MAX_MEMBERS:
            return None
        members |= new
        self._members += len(new)
        self._sets[series] = members
        return _number_point(len(members), time_unix_ns, last=True)


def _number_point(value: float, time_unix_ns: int, *, last: bool = False) -> Number:
    point = Number(last=last)
    point.value = value
    point.time_unix_ns = time_unix_ns
    if not last:
        point.start_unix_ns = time_unix_ns
    return point
