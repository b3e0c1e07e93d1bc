"""What enhanced metrics have recorded, by name without the prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serverless_instrument.forwarder.faas_metrics.measurement import COUNTER, GAUGE, HISTOGRAM

if TYPE_CHECKING:
    from serverless_instrument.forwarder.faas_metrics.measurement import Measurement

_PREFIX = "aws.lambda."


class Recorded:
    """A recorder that keeps everything; of each name, the last invocation."""

    def __init__(self) -> None:
        # name -> (unit, values, request id)
        self.histograms: dict[str, Any] = {}
        # name -> (unit, sum, request id, attributes)
        self.counters: dict[str, Any] = {}
        # name -> (unit, values)
        self.gauges: dict[str, Any] = {}

    def record(self, measurement: Measurement) -> None:
        assert measurement.name.startswith(_PREFIX)
        assert measurement.time_unix_ns >= 0
        name, unit = measurement.name.removeprefix(_PREFIX), measurement.unit
        value, request_id = measurement.value, measurement.request_id
        if measurement.kind == HISTOGRAM:
            _, values, _ = self.histograms.get(name, ("", [], ""))
            self.histograms[name] = (unit, [*values, value], request_id)
        elif measurement.kind == COUNTER:
            total = self.counters[name][1] if name in self.counters else 0
            self.counters[name] = (unit, total + value, request_id, measurement.attributes)
        else:
            assert measurement.kind == GAUGE
            _, values = self.gauges.get(name, ("", []))
            self.gauges[name] = (unit, [*values, value])
