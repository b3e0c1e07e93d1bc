"""Metrics that reached a backend, the points of all flushes together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.integration.emulator import attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

    from tests.integration.emulator import Value
    from tests.integration.scenario import Export


@dataclass(frozen=True)
class Kind:
    """What a metric is.

    Attributes:
        unit: in UCUM, "" for none.
        type: ``sum``, ``histogram`` or ``gauge``, as the message's field is called.
        delta: whether its points count from the point before.
        monotonic: whether a sum only grows.
        bounds: boundaries of a histogram's buckets.
    """

    unit: str
    type: str
    delta: bool = False
    monotonic: bool = False
    bounds: tuple[float, ...] = ()


# https://opentelemetry.io/docs/specs/semconv/faas/faas-metrics/; for bytes it leaves them open.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
FAAS = {
    "faas.invoke_duration": Kind("s", "histogram", delta=True, bounds=SECONDS),
    "faas.init_duration": Kind("s", "histogram", delta=True, bounds=SECONDS),
    "faas.coldstarts": Kind("{coldstart}", "sum", delta=True, monotonic=True),
    "faas.errors": Kind("{error}", "sum", delta=True, monotonic=True),
    "faas.invocations": Kind("{invocation}", "sum", delta=True, monotonic=True),
    "faas.timeouts": Kind("{timeout}", "sum", delta=True, monotonic=True),
    "faas.mem_usage": Kind("By", "histogram", delta=True),
    "faas.cpu_usage": Kind("s", "histogram", delta=True, bounds=SECONDS),
    "faas.net_io": Kind("By", "histogram", delta=True),
}


@dataclass
class Received:
    """One metric of one scope.

    Attributes:
        kinds: all that came under this name; more than one is a defect.
        attributes: of each point.
        resources: of each point.
        values: of each point: a sum's, a gauge's.
        total: of a histogram; `count`, `least`, `most` and `buckets` likewise.
    """

    kinds: set[Kind] = field(default_factory=set)
    attributes: list[dict[str, Value]] = field(default_factory=list)
    resources: list[dict[str, Value]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    total: float = 0.0
    count: int = 0
    least: float = float("inf")
    most: float = float("-inf")
    buckets: list[int] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        """What it is."""
        (kind,) = self.kinds
        return kind

    def take(self, metric: Metric, resource: dict[str, Value]) -> None:
        """Add the points of a message."""
        if metric.HasField("histogram"):
            self._histogram(metric)
        else:
            self._numbers(metric)
        self.resources.append(resource)

    def _numbers(self, metric: Metric) -> None:
        kind = "sum" if metric.HasField("sum") else "gauge"
        body = getattr(metric, kind)
        delta, monotonic = False, False
        if kind == "sum":
            delta, monotonic = metric.sum.aggregation_temporality == 1, metric.sum.is_monotonic
        self.kinds.add(Kind(metric.unit, kind, delta, monotonic))
        for point in body.data_points:
            self.attributes.append(attributes(point.attributes))
            self.values.append(_number(point))

    def _histogram(self, metric: Metric) -> None:
        for point in metric.histogram.data_points:
            bounds = tuple(point.explicit_bounds)
            delta = metric.histogram.aggregation_temporality == 1
            self.kinds.add(Kind(metric.unit, "histogram", delta, bounds=bounds))
            self.attributes.append(attributes(point.attributes))
            self.count += point.count
            self.total += point.sum
            self.least = min(self.least, point.min)
            self.most = max(self.most, point.max)
            self.buckets = self.buckets or [0] * len(point.bucket_counts)
            pairs = zip(self.buckets, point.bucket_counts, strict=True)
            self.buckets = [one + other for one, other in pairs]


def _number(point: NumberDataPoint) -> float:
    return point.as_int if point.HasField("as_int") else point.as_double


def by_name(exports: Sequence[Export]) -> dict[str, Received]:
    """Every metric of `exports` but the forwarder's own figures."""
    found: dict[str, Received] = {}
    for export in exports:
        if export.path != "/v1/metrics":
            continue
        for group in ExportMetricsServiceRequest.FromString(export.content).resource_metrics:
            resource = attributes(group.resource.attributes)
            for metric in [metric for scope in group.scope_metrics for metric in scope.metrics]:
                if not metric.name.startswith("serverless_instrument."):
                    found.setdefault(metric.name, Received()).take(metric, resource)
    return found
