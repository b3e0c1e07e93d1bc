"""What the function measures, through OpenTelemetry's metrics API or through ours, as frames.

Loaded with the first of either.
"""

from __future__ import annotations

from serverless_instrument.wrapper.records import is_ours
from serverless_instrument.wrapper.records.primitives import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.wrapper.metrics.measurements import Measurements
    from serverless_instrument.wrapper.metrics.metrics_bridge import MetricsBridge


class FunctionMetrics:
    """The metrics of one process.

    Args:
        send: sends whole frames.
        report_fault: called with a failure of ours while frames are made.
    """

    def __init__(
        self, send: Callable[[bytes], None], report_fault: Callable[[Exception], None]
    ) -> None:
        self._send = send
        self._report_fault = report_fault
        self._bridge: MetricsBridge | None = None
        self._measurements: Measurements | None = None

    def add_bridge(self, bridge: MetricsBridge) -> None:
        """Collect from `bridge`, which has what OpenTelemetry's metrics API records."""
        self._bridge = bridge

    def measure(
        self, name: str, value: float, unit: str, attributes: Mapping[str, object] | None, kind: str
    ) -> None:
        """Record one value of a metric of our own API."""
        measurements = self._measurements
        if measurements is None:
            from serverless_instrument.wrapper.metrics.measurements import Measurements

            # setdefault is atomic: two threads may record their first values at once.
            measurements = self.__dict__.setdefault("_first_measurements", Measurements(time_ns()))
            measurements.on_full = self._send_measurements
            self._measurements = measurements
        measurements.record_value(name, value, unit, attributes, kind)

    def _send_measurements(self) -> None:
        """Send what has been measured before the invocation's end: it takes too much memory."""
        if self._measurements is not None:
            self._send(self._measurements.take_metric_frames(time_ns()))

    def take_frames(self, now_unix_ns: int) -> bytes:
        """METRICS frames of everything measured since the last call; never raises."""
        frames = b""
        try:
            if self._bridge is not None:
                frames = self._bridge.take_metric_frames(now_unix_ns)
            if self._measurements is not None:
                frames += self._measurements.take_metric_frames(now_unix_ns)
        except Exception as error:  # the frame that follows these must be sent all the same
            if not is_ours(error):
                raise
            self._report_fault(error)
        return frames

    def after_fork(self) -> None:
        """In a forked child, forget what has been measured: the parent sends it."""
        if self._bridge is not None:
            self._bridge.after_fork()
        if self._measurements is not None:
            self._measurements.after_fork(time_ns())
