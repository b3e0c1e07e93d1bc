"""StatsD's metrics among those of the batch; pure, loaded with the first datagram.

Counters become sums, of deltas and monotonic until the function decreases one; timers, histograms
and distributions histograms; gauges gauges. A change of a gauge (``+3``) is applied to its last
value in this environment, to 0 without one, as a StatsD server does after a restart. A set becomes
a gauge: how many different members this environment has seen since the last flush.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import instrumentation_scope
from serverless_instrument.forwarder.delivery import delivery_counts as tally
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
    from serverless_instrument.forwarder.delivery.delivery_counts import Tally
    from serverless_instrument.forwarder.metrics.metric_points import Attributes, Point

    Series = tuple[str, Attributes]

SCOPE = instrumentation_scope("serverless_instrument.statsd")
# As many as one metric may have series: `metric_aggregation.CARDINALITY_LIMIT`.
_MOST_GAUGES, _MOST_DECREASED = 2000, 2000
# Of all sets together; 64 bits of each member are kept.
_MOST_MEMBERS = 50_000
# DogStatsD refuses counts and gauges of the future; clocks may differ by little.
_LATEST_NS = 3_600 * 1_000_000_000
_SHOWN_CHARACTERS = 100


class StatsdMetrics:
    """Takes datagrams; what is malformed in them is counted, and the first of it told.

    Args:
        batch: takes the metrics.
        counts: told of what is dropped.
        report: see `Delivery`.
        exponential: the kind of histograms.
    """

    __slots__ = (
        "_batch",
        "_collections",
        "_counts",
        "_decreased",
        "_exponential",
        "_gauges",
        "_members",
        "_part",
        "_report",
        "_sets",
    )

    def __init__(
        self,
        batch: Batch,
        counts: Tally,
        report: Callable[[str, str], None],
        *,
        exponential: bool = False,
    ) -> None:
        self._batch = batch
        self._counts = counts
        self._report = report
        self._exponential = exponential
        self._gauges: dict[Series, float] = {}
        # Names of counters that the function has decreased.
        self._decreased: set[str] = set()
        self._sets: dict[Series, set[int]] = {}
        self._members = 0
        # When the sets began: see `Aggregation.collections`.
        self._collections = 0
        # What is left of counts that a sampling rate makes fractions.
        self._part = 0.0

    def datagram(self, data: bytes, resource: bytes, now_unix_ns: int) -> None:
        """Take the metrics of one datagram. Never raises."""
        found, malformed, others = statsd.parse(data)
        for measurement in found:
            if measurement.time_unix_ns > now_unix_ns + _LATEST_NS:
                malformed.append(f"{measurement.name}, of a time that has yet to come")
            else:
                self._take(measurement, resource, measurement.time_unix_ns or now_unix_ns)
        self._counts.add(tally.DROPPED, others, METRICS, tally.STATSD_EVENT)
        if malformed:
            self._counts.add(tally.DROPPED, len(malformed), METRICS, tally.MALFORMED_STATSD)
            text = "".join([c if c.isprintable() else "?" for c in malformed[0]])
            self._report(
                "StatsD lines",
                f"a StatsD line cannot be used: {text[:_SHOWN_CHARACTERS]!r}; it should be "
                "name:value|type, with a type of c, g, ms, h, d or s",
            )

    def overran(self, datagrams: int) -> None:
        """So many came faster than they were read, and are lost."""
        self._counts.add(tally.DROPPED, datagrams, METRICS, tally.STATSD_OVERRUN)

    def _take(self, measurement: statsd.Measurement, resource: bytes, time_unix_ns: int) -> None:
        attributes = encode_attributes(measurement.attributes)
        series = measurement.name, attributes
        monotonic = False
        point: Point | None
        if measurement.kind == statsd.HISTOGRAM:
            pairs = [(value, self._times(measurement.weight)) for value in measurement.values]
            point = distribution.histogram_point(
                pairs, measurement.unit, time_unix_ns, exponential=self._exponential
            )
            kind = point.kind
        elif measurement.kind == statsd.COUNTER:
            kind = SUM
            monotonic = self._only_grows(measurement)
            value = sum(measurement.values) * measurement.weight
            point = _number(int(value) if value.is_integer() else value, time_unix_ns)
        else:
            kind = GAUGE
            level = self._level if measurement.kind == statsd.GAUGE else self._different
            point = level(series, measurement, time_unix_ns)
        if point is None:
            self._counts.add(tally.DROPPED, 1, METRICS, tally.NO_ROOM)
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

    def _times(self, weight: float) -> int:
        """`weight` as a whole number; of many, the mean is `weight`."""
        whole = int(weight + self._part + 1e-9)
        self._part = max(0.0, weight + self._part - whole)
        return whole

    def _only_grows(self, measurement: statsd.Measurement) -> bool:
        """Whether the counter has never been decreased: a sum that is monotonic."""
        decreased = min(measurement.values) < 0
        if decreased and len(self._decreased) < _MOST_DECREASED:
            self._decreased.add(measurement.name)
        return not decreased and measurement.name not in self._decreased

    def _level(
        self, series: Series, measurement: statsd.Measurement, time_unix_ns: int
    ) -> Number | None:
        level = self._gauges.get(series)
        room = level is not None or len(self._gauges) < _MOST_GAUGES
        for value, relative in zip(measurement.values, measurement.relative, strict=True):
            if relative and not room:
                return None
            level = (level or 0.0) + value if relative else value
        # Changes, one after the other, may lead where no single value does.
        if level is None or not distribution.is_value(level):
            return None
        if room:
            self._gauges[series] = level
        return _number(level, time_unix_ns, last=True)

    def _different(
        self, series: Series, measurement: statsd.Measurement, time_unix_ns: int
    ) -> Number | None:
        if self._collections != self._batch.metrics.collections:
            self._collections = self._batch.metrics.collections
            self._sets, self._members = {}, 0
        members = self._sets.get(series, set())
        new = {hash(member) for member in measurement.members} - members
        if self._members + len(new) > _MOST_MEMBERS:
            return None
        members |= new
        self._members += len(new)
        self._sets[series] = members
        return _number(len(members), time_unix_ns, last=True)


def _number(value: float, time_unix_ns: int, *, last: bool = False) -> Number:
    point = Number(last=last)
    point.value = value
    point.time_unix_ns = time_unix_ns
    if not last:
        point.start_unix_ns = time_unix_ns
    return point
