"""Measurements of invocations to the aggregation, deferred until a flush. Pure.

The end of an invocation pays for an append: what it takes to aggregate is left to the flush, or to
the start of the next invocation, when the function runs.
"""

from __future__ import annotations

from serverless_instrument.forwarder.faas_metrics import measurement as kinds
from serverless_instrument.forwarder.metrics.metric_points import GAUGE, Number
from serverless_instrument.histogram_bounds import BYTES, SECONDS
from serverless_instrument.wire import __version__, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from serverless_instrument.forwarder.faas_metrics.measurement import Measurement
    from serverless_instrument.forwarder.metrics.metric_aggregation import Aggregation
    from serverless_instrument.forwarder.metrics.metric_points import Attributes

SCOPE = field(
    b"\x0a", field(b"\x0a", b"serverless_instrument") + field(b"\x12", __version__.encode())
)
_RATIO = tuple([step / 20 for step in range(1, 21)])
# Lambda allows an environment 1,024 of either.
_COUNTS = tuple([float(1 << shift) for shift in range(11)])
_BOUNDS = {
    "s": SECONDS,
    "By": BYTES,
    "1": _RATIO,
    "{file_descriptor}": _COUNTS,
    "{thread}": _COUNTS,
}
# Invocations whose trigger is kept for a platform.report that has yet to come.
_MOST_REMEMBERED = 256
# Deferred actions: what START runs, and what is run at once because no START comes.
_MANY_DEFERRED = 64
_MOST_DEFERRED = 2048


class MetricRecorder:
    """Keeps measurements in the order in which they came, and aggregates them at a flush.

    Args:
        aggregation: takes them; it asks for them with `tell`.

    Attributes:
        resource: the function's, encoded; without one nothing is aggregated.
    """

    __slots__ = ("_aggregation", "_deferred", "_has_metrics", "_triggers", "resource")

    def __init__(self, aggregation: Aggregation) -> None:
        self._aggregation = aggregation
        self._deferred: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._has_metrics = False
        self._triggers: dict[str, Attributes] = {}
        self.resource = b""
        aggregation.sources.append(self)

    def __bool__(self) -> bool:
        return self._has_metrics

    @property
    def deferred_count(self) -> int:
        """How many actions wait for a flush."""
        return len(self._deferred)

    def record(self, measurement: Measurement) -> None:
        """Aggregate `measurement` at the next flush."""
        self.defer(self.aggregate, measurement)

    def defer(self, action: Callable[..., None], *arguments: Any, is_metric: bool = True) -> None:
        """Call `action` at the next flush, after what was deferred before.

        `is_metric` is False where nothing to send comes of it alone.
        """
        self._deferred.append((action, arguments))
        self._has_metrics = self._has_metrics or is_metric
        if is_metric and len(self._deferred) > _MOST_DEFERRED:
            self.tell()

    def catch_up(self) -> None:
        """Run what is deferred, if it is much: for a moment when the function runs anyway."""
        if len(self._deferred) > _MANY_DEFERRED:
            self.tell()
        self._aggregation.merge_if_large()

    def tell(self) -> None:
        """Run everything that is deferred."""
        while self._deferred:
            # An action may record more.
            deferred, self._deferred = self._deferred, []
            for action, arguments in deferred:
                action(*arguments)
        self._has_metrics = False

    def remember_trigger(self, request_id: str, trigger: str) -> None:
        """Give every measurement of an invocation its ``faas.trigger`` from now on."""
        self._triggers[request_id] = (_attribute("faas.trigger", trigger),)
        if len(self._triggers) > _MOST_REMEMBERED:
            del self._triggers[next(iter(self._triggers))]

    def aggregate(self, measurement: Measurement) -> None:
        """Aggregate `measurement` now; its unit has bounds if it is of a histogram."""
        if not self.resource:
            return
        name, unit, value = measurement.name, measurement.unit, measurement.value
        time_unix_ns = measurement.time_unix_ns
        if measurement.kind == kinds.GAUGE:
            point = Number(last=True)
            point.value, point.time_unix_ns = value, time_unix_ns
            self._aggregation.add_point(self.resource, SCOPE, name, unit, GAUGE, point)
            return
        attributes = self._attributes_of(measurement)
        if measurement.kind == kinds.COUNTER:
            add_to_sum = self._aggregation.add_to_sum
            add_to_sum(self.resource, SCOPE, name, unit, value, time_unix_ns, attributes)
        else:
            self._aggregation.record_in_histogram(
                self.resource, SCOPE, name, unit, value, _BOUNDS[unit], time_unix_ns, attributes
            )

    def _attributes_of(self, measurement: Measurement) -> Attributes:
        trigger = self._triggers.get(measurement.request_id, ())
        if not measurement.attributes:
            return trigger
        own = [_attribute(key, text) for key, text in measurement.attributes]
        return tuple(sorted((*own, *trigger)))


def _attribute(key: str, text: str) -> bytes:
    return field(b"\x0a", key.encode()) + field(b"\x12", field(b"\x0a", text.encode()))
