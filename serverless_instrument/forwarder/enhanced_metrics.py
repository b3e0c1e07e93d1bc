"""What the platform reports of each invocation beyond the conventions' FaaS metrics; pure.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report
"""

from __future__ import annotations

from serverless_instrument.forwarder import platform_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.platform_events import Dispatch, Event

    # (name, unit, value, request id, time in Unix nanoseconds)
    Measure = Callable[[str, str, float, str, int], None]

SETTING = "SERVERLESS_INSTRUMENT_ENHANCED_METRICS"
_OFF = frozenset(("false", "0", "off", "no"))
_BYTES_PER_MB = 1024 * 1024
_MS_PER_S = 1000
# Request ids whose ``platform.report`` has yet to come; in Managed Instances none does.
_MOST_REMEMBERED = 256
_SPANS = {
    "responseLatency": "aws.lambda.response_latency",
    "responseDuration": "aws.lambda.response_duration",
}


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the setting leaves them on."""
    return environ.get(SETTING, "").strip().lower() not in _OFF


class EnhancedMetrics:
    """Turns events into measurements.

    Args:
        measure: takes one value of a histogram.
    """

    __slots__ = ("_measure", "_runtime_ms")

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._runtime_ms: dict[str, float] = {}

    def connect(self, events: Dispatch) -> None:
        """Look at the platform's events."""
        events.on(platform_events.RUNTIME_DONE, self._runtime_done)
        events.on(platform_events.REPORT, self._report)
        events.on(platform_events.RESTORE_REPORT, self._restored)

    def _runtime_done(self, event: Event) -> None:
        metrics = _metrics(event)
        runtime_ms = _number(metrics, "durationMs")
        if runtime_ms is not None:
            self._tell(event, "runtime_duration", "s", runtime_ms / _MS_PER_S)
            self._runtime_ms[event.request_id] = runtime_ms
            if len(self._runtime_ms) > _MOST_REMEMBERED:
                del self._runtime_ms[next(iter(self._runtime_ms))]
        produced_bytes = _number(metrics, "producedBytes")
        if produced_bytes is not None:
            self._tell(event, "produced_bytes", "By", produced_bytes)
        spans = event.record.get("spans") if isinstance(event.record, dict) else None
        for span in spans if isinstance(spans, list) else ():
            name = _SPANS.get(platform_events.text_of(span, "name"))
            duration_ms = _number(span, "durationMs")
            if name is not None and duration_ms is not None:
                seconds = duration_ms / _MS_PER_S
                self._measure(name, "s", seconds, event.request_id, event.time_unix_ns)

    def _report(self, event: Event) -> None:
        metrics = _metrics(event)
        billed_ms = _number(metrics, "billedDurationMs")
        if billed_ms is not None:
            self._tell(event, "billed_duration", "s", billed_ms / _MS_PER_S)
        runtime_ms = self._runtime_ms.pop(event.request_id, None)
        duration_ms = _number(metrics, "durationMs")
        if runtime_ms is not None and duration_ms is not None:
            after_s = max(0.0, duration_ms - runtime_ms) / _MS_PER_S
            self._tell(event, "post_runtime_duration", "s", after_s)
        size_mb, used_mb = _number(metrics, "memorySizeMB"), _number(metrics, "maxMemoryUsedMB")
        if size_mb:
            self._tell(event, "memory.size", "By", size_mb * _BYTES_PER_MB)
            if used_mb is not None:
                self._tell(event, "memory.utilization", "1", used_mb / size_mb)

    def _restored(self, event: Event) -> None:
        duration_ms = _number(_metrics(event), "durationMs")
        if duration_ms is not None:
            self._tell(event, "restore_duration", "s", duration_ms / _MS_PER_S)

    def _tell(self, event: Event, name: str, unit: str, value: float) -> None:
        self._measure(f"aws.lambda.{name}", unit, value, event.request_id, event.time_unix_ns)


def _metrics(event: Event) -> object:
    return event.record.get("metrics") if isinstance(event.record, dict) else None


def _number(record: object, name: str) -> float | None:
    value = record.get(name) if isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value < 1e18 else None
