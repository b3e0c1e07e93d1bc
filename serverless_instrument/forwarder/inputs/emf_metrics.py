"""Adds metrics of the embedded metric format to the batch; pure.

The parser is loaded with the first line.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import instrumentation_scope
from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.destinations.destination import METRICS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.delivery.delivery_counts import DeliveryCounts
    from serverless_instrument.forwarder.inputs.emf_values import Measurement

# One or two are usual; namespaces that are made of a value must not fill the memory.
_MAX_NAMESPACES = 100
_SHOWN_CHARACTERS = 200


class EmfMetrics:
    """Adds the metrics of lines to a batch; malformed parts are counted, and the first reported.

    Args:
        batch: the metrics are added to it.
        counts: counts what is dropped.
        report: see `Delivery`.
        exponential: whether histograms have exponential buckets.
    """

    __slots__ = ("_batch", "_counts", "_exponential", "_report", "_scopes")

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
        self._scopes: dict[str, bytes] = {}

    def add_line(self, text: str, resource: bytes, time_unix_ns: int) -> None:
        """Add the metrics of a line that contains `line_reader.EMF_MARK`. Never raises."""
        from serverless_instrument.forwarder.inputs import emf

        found, defects = emf.parse_line(text, time_unix_ns)
        for measurement in found:
            scope = self._scope(measurement.namespace)
            if scope:
                self._add_measurement(measurement, resource, scope)
        if defects:
            self._counts.add_count(
                delivery_counts.DROPPED, len(defects), METRICS, delivery_counts.MALFORMED_EMF
            )
            shown = "".join([c if c.isprintable() else "?" for c in defects[0]])
            self._report(
                "embedded metrics",
                "an embedded metric is left out, as CloudWatch would leave it out: "
                f"{shown[:_SHOWN_CHARACTERS]}",
            )

    def _add_measurement(self, measurement: Measurement, resource: bytes, scope: bytes) -> None:
        from serverless_instrument.forwarder.metrics import distribution
        from serverless_instrument.forwarder.metrics.metric_points import encode_attributes

        unit = measurement.unit
        point = distribution.histogram_point(
            measurement.pairs, unit, measurement.time_unix_ns, exponential=self._exponential
        )
        if measurement.total is not None:
            point.total = float(measurement.total)
        if measurement.least is not None:
            point.least = float(measurement.least)
        if measurement.most is not None:
            point.most = float(measurement.most)
        attributes = encode_attributes(measurement.attributes)
        self._batch.metrics.add_point(
            resource, scope, measurement.name, unit, point.kind, point, attributes
        )

    def _scope(self, namespace: str) -> bytes:
        scope = self._scopes.get(namespace, b"")
        if not scope and len(self._scopes) < _MAX_NAMESPACES:
            scope = instrumentation_scope(namespace, version="")
            self._scopes[namespace] = scope
        if not scope:
            self._counts.add_count(delivery_counts.DROPPED, 1, METRICS, delivery_counts.NO_ROOM)
        return scope
