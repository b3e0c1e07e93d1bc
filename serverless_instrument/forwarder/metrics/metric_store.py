"""Metrics between two flushes, by resource and scope, bounded in number. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.metrics.metric_points import Attributes, Point
    from serverless_instrument.forwarder.metrics.metric_series import Metric

    # (resource, scope): its metrics, by identity.
    Metrics = dict[tuple[bytes, bytes], dict[tuple[object, ...], Metric]]

# In all: metrics named after a value must not fill the memory either.
_MAX_METRICS = 2000
# why something is dropped
TOO_MANY_METRICS, TOO_MANY_SERIES = "too many names", "too many attributes"


class MetricStore:
    """Metrics that points are merged into.

    `metric_count` is the number of metrics; `dropped` counts, by reason, what is lost.
    """

    __slots__ = ("_metrics", "dropped", "metric_count")

    def __init__(self) -> None:
        self._metrics: Metrics = {}
        self.metric_count = 0
        self.dropped: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._metrics)

    def add_point(
        self, resource: bytes, scope: bytes, metric: Metric, attributes: Attributes, point: Point
    ) -> Point | None:
        """Merge `point` into the metric that is the same as `metric`.

        Returns:
            The point that it is part of now, None if there is no room for it.
        """
        metrics = self._metrics.setdefault((resource, scope), {})
        identity = metric.identity
        known = metrics.get(identity)
        if known is None:
            if self.metric_count >= _MAX_METRICS:
                self.count_dropped(TOO_MANY_METRICS)
                return None
            self.metric_count += 1
            known = metrics[identity] = metric
        elif known.description != metric.description:
            known.keep_longer_description(metric)
        kept = known.add_point(attributes, point)
        if kept is None:
            self.count_dropped(TOO_MANY_SERIES)
        return kept

    def count_dropped(self, reason: str) -> None:
        """Count one loss for `reason`."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def take_metrics(self) -> Metrics:
        """All metrics; the store has none of them after it."""
        taken, self._metrics, self.metric_count = self._metrics, {}, 0
        return taken
