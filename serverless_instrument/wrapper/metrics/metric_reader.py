"""A reader that collects the SDK's metrics as METRICS frames at the end of an invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    HistogramDataPoint,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from serverless_instrument.wrapper.metrics import metric_encoder
from serverless_instrument.wrapper.metrics.measurements import metric_frames
from serverless_instrument.wrapper.records import encoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.metrics.view import Aggregation
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_DELTA, _CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
# https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/#additional-environment-variable-configuration
_DELTAS: dict[str, tuple[type, ...]] = {
    "cumulative": (),
    "delta": (Counter, ObservableCounter, Histogram),
    "lowmemory": (Counter, Histogram),
}
_KINDS = (Counter, ObservableCounter, Histogram, UpDownCounter, ObservableUpDownCounter)


class Reader(MetricReader):
    """Collects what the SDK has measured since the last call of `take_metric_frames`."""

    def __init__(
        self,
        temporality: dict[type, AggregationTemporality],
        aggregation: dict[type, Aggregation] | None = None,
    ) -> None:
        super().__init__(preferred_temporality=temporality, preferred_aggregation=aggregation)
        self._frames: list[bytes] = []
        self._turn: dict[str, object] = {}  # as in `measurements`
        self._ended = False

    def take_metric_frames(self) -> bytes:
        """METRICS frames, b"" where nothing was measured or another thread is collecting."""
        # No thread waits for another, which a callback of the function's may hold up.
        own, turn = object(), self._turn
        try:
            if turn.setdefault("own", own) is not own:
                return b""
            if not self._ended:
                self.collect()
            taken, self._frames = self._frames, []
        finally:
            if "own" in turn and turn["own"] is own:
                del turn["own"]
        return b"".join(taken)

    def after_fork(self) -> None:
        """Forget, in a forked child, what the parent sends.

        Nothing is collected here: a thread of the parent's may have held one of the SDK's locks.
        """
        self._turn = {}
        self._frames = []

    def _receive_metrics(
        self,
        metrics_data: MetricsData | None,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **_: Any,
    ) -> None:
        # Also called by a flush of the function's; the frames then wait for the next collection.
        for resource in metrics_data.resource_metrics if metrics_data else ():
            for scope in resource.scope_metrics:
                items = [item for metric in scope.metrics for item in _encoded(metric)]
                self._frames.append(metric_frames(_scope(scope.scope), items))

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Collect for the last time; what is measured afterwards is lost."""
        if not self._ended:
            self.collect(timeout_millis)
            self._ended = True


def temporality(preference: str) -> dict[type, AggregationTemporality]:
    """Temporality by instrument type.

    `preference` is a value of ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``.
    """
    deltas = _DELTAS[preference]
    return {kind: _DELTA if kind in deltas else _CUMULATIVE for kind in _KINDS}


def make_reader(preference: str, *, exponential: bool = False) -> Reader:
    """A reader of that temporality; `exponential` applies to histograms without a view."""
    aggregation: dict[type, Aggregation] | None = None
    if exponential:
        aggregation = {Histogram: ExponentialBucketHistogramAggregation()}
    return Reader(temporality(preference), aggregation)


def _scope(scope: InstrumentationScope) -> bytes:
    # As in sdk_processor.py, which would import the SDK's traces.
    values = getattr(scope, "attributes", None) or {}
    return encoder.scope(scope.name or "", scope.version or "", scope.schema_url or "", values)


def _encoded(metric: Metric) -> Iterable[bytes]:
    data: Any = metric.data
    if not data.data_points:
        return ()
    points = [_point(point) for point in data.data_points]
    kind, temporality, monotonic = metric_encoder.GAUGE, metric_encoder.DELTA, False
    if isinstance(data, Sum):
        kind, monotonic = metric_encoder.SUM, data.is_monotonic
    elif isinstance(data, HistogramData):
        kind = metric_encoder.HISTOGRAM
    elif isinstance(data, ExponentialHistogram):
        kind = metric_encoder.EXPONENTIAL_HISTOGRAM
    if not isinstance(data, Gauge):
        temporality = int(data.aggregation_temporality)
    texts = metric.name, metric.description or "", metric.unit or ""
    return metric_encoder.encode_metric(texts, kind, points, temporality, monotonic=monotonic)


def _point(
    point: NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint,
) -> bytes:
    exemplars = [
        metric_encoder.exemplar(
            each.filtered_attributes,
            each.time_unix_nano,
            each.value,
            each.trace_id,
            each.span_id,
        )
        for each in getattr(point, "exemplars", None) or ()
    ]
    start_unix_ns, time_unix_ns = point.start_time_unix_nano or 0, point.time_unix_nano
    if isinstance(point, NumberDataPoint):
        return metric_encoder.number_point(
            point.attributes, start_unix_ns, time_unix_ns, point.value, exemplars
        )
    # Without values there is no minimum and no maximum.
    extremes = (point.min, point.max) if point.count else (None, None)
    totals = (point.count, point.sum, *extremes)
    if isinstance(point, HistogramDataPoint):
        return metric_encoder.histogram_point(
            point.attributes,
            start_unix_ns,
            time_unix_ns,
            totals,
            point.bucket_counts,
            point.explicit_bounds,
            exemplars,
        )
    return metric_encoder.exponential_point(
        point.attributes,
        start_unix_ns,
        time_unix_ns,
        totals,
        point.scale,
        point.zero_count,
        (point.positive.offset, point.positive.bucket_counts),
        (point.negative.offset, point.negative.bucket_counts),
        exemplars,
    )
