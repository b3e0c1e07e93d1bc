"""What is in a batch of metrics, with the official messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from serverless_instrument.forwarder.delivery.batch import Batch


class Series(NamedTuple):
    """One data point and what it belongs to."""

    scope: str
    metric: Metric
    kind: str
    point: Any
    attributes: dict[str, str]
    service: str


def of_requests(bodies: Iterable[bytes]) -> list[Series]:
    """Every data point of encoded export requests."""
    found = []
    for body in bodies:
        for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            resource = {a.key: a.value.string_value for a in of_resource.resource.attributes}
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    kind = metric.WhichOneof("data") or ""
                    for point in getattr(metric, kind).data_points:
                        attributes = {a.key: a.value.string_value for a in point.attributes}
                        scope = of_scope.scope.name
                        found.append(
                            Series(
                                scope,
                                metric,
                                kind,
                                point,
                                attributes,
                                resource.get("service.name", ""),
                            )
                        )
    return found


def of_batch(batch: Batch) -> list[Series]:
    """Every data point of what waits in `batch`."""
    return of_requests(export.body for export in batch.take_exports() if export.signal == "metrics")
