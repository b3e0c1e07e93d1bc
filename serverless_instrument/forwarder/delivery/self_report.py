"""OTLP metrics of the forwarder's own delivery counts; loaded with the first report. Pure.

Sums are deltas, because an environment is one of many and short-lived
(https://opentelemetry.io/docs/specs/otel/metrics/data-model/#sums).
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import attribute, instrumentation_scope
from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.metrics.metric_points import (
    GAUGE,
    SUM,
    Number,
)
from serverless_instrument.forwarder.metrics.metric_series import DELTA, Metric
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.delivery.delivery_counts import Key

_SCOPE_NAME = "serverless_instrument.forwarder"
_UNITS = {delivery_counts.FLUSH_S: "s", delivery_counts.FRAMES: "{frame}"}
_DESCRIPTIONS = {
    delivery_counts.FRAMES: "Frames that runtimes have sent",
    delivery_counts.RECEIVED: (
        "Spans, log records and metrics that came from the function and the platform"
    ),
    delivery_counts.SENT: "Items that a backend has taken",
    delivery_counts.RETRIED: "Items that were kept to be sent again",
    delivery_counts.UNANSWERED: (
        "Items of requests that nobody answered: sent again, they may arrive twice"
    ),
    delivery_counts.DROPPED: "Items that were given up",
    delivery_counts.FLUSH_S: "Time that ends of invocations have waited for backends",
}
_QUEUE = "queue.size"
_NO_LIMIT = 1 << 30


def scope() -> bytes:
    """The tagged ``scope`` field of the metrics' ``ScopeMetrics``."""
    return instrumentation_scope(_SCOPE_NAME)


def encode_metrics(
    counted: dict[Key, float], queue_bytes: int, since_unix_ns: int, now_unix_ns: int
) -> bytes:
    """Tagged metrics of what `take_unreported` of the counts gives, and of the queue."""
    metrics: dict[str, Metric] = {}
    for (what, signal, reason), number in sorted(counted.items()):
        if what not in metrics:
            unit = _UNITS.get(what, "{item}")
            metrics[what] = _metric(what, _DESCRIPTIONS[what], unit, SUM, DELTA)
        told = (("signal", signal), ("reason", reason))
        attributes = tuple([attribute(name, value) for name, value in told if value])
        point = Number.of_value(number, since_unix_ns, now_unix_ns)
        metrics[what].add_point(attributes, point)
    queue = _metric(_QUEUE, "Bytes that wait in memory and on disk", "By", GAUGE, 0)
    queue.add_point((), Number.of_value(queue_bytes, 0, now_unix_ns))
    return b"".join([field(b"\x12", each.encode()) for each in (*metrics.values(), queue)])


def _metric(name: str, description: str, unit: str, kind: int, temporality: int) -> Metric:
    metric = Metric(_NO_LIMIT)
    metric.name = f"{_SCOPE_NAME}.{name}".encode()
    metric.description, metric.unit = description.encode(), unit.encode()
    metric.kind, metric.temporality, metric.monotonic = kind, temporality, kind == SUM
    return metric
