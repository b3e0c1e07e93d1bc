"""Enhanced metrics from platform events: durations, billing, memory, cost. Pure.

Every event may be missing, late or out of order; a figure that it lacks is left out.
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report
"""

from __future__ import annotations

from serverless_instrument.forwarder.faas_metrics.enhanced_record import remember
from serverless_instrument.forwarder.faas_metrics.measurement import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    Measurement,
)
from serverless_instrument.forwarder.telemetry_api import platform_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.faas_metrics.cost import Prices
    from serverless_instrument.forwarder.faas_metrics.enhanced_record import EnhancedRecord
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event

_BYTES_PER_MB = 1024 * 1024
_MS_PER_S = 1000
_OUT_OF_MEMORY = "Runtime.OutOfMemory"
# Error types of a process that the kernel may have killed.
_KILLED = frozenset(("", "Runtime.ExitError"))
_NOT_KILLED = frozenset(("", "success", "timeout"))
_SPANS = {
    "responseLatency": "aws.lambda.response_latency",
    "responseDuration": "aws.lambda.response_duration",
}


class ReportMetrics:
    """Turns the platform's events into values for `record`."""

    __slots__ = ("_durations", "_prices", "_record")

    def __init__(self, record: EnhancedRecord, prices: Prices) -> None:
        self._record = record
        self._prices = prices
        # request id -> whichever came first: (whether it was runtimeDone, its duration in ms)
        self._durations: dict[str, tuple[bool, float]] = {}

    def subscribe(self, events: Dispatch) -> None:
        """Ask for platform events."""
        events.add_handler(platform_events.RUNTIME_DONE, self._record_runtime_done)
        events.add_handler(platform_events.REPORT, self._record_report)
        events.add_handler(platform_events.RESTORE_REPORT, self._record_restore)

    def _record_runtime_done(self, event: Event) -> None:
        metrics = _metrics(event)
        runtime_ms = _number(metrics, "durationMs")
        if runtime_ms is not None:
            self._record_time(event, "aws.lambda.runtime_duration", runtime_ms)
            self._record_post_runtime(event, runtime_ms, of_runtime=True)
        produced_bytes = _number(metrics, "producedBytes")
        if produced_bytes is not None:
            self._record_of(event, HISTOGRAM, "aws.lambda.produced_bytes", "By", produced_bytes)
        self._record_spans(event)
        if platform_events.text_of(event.record, "errorType") == _OUT_OF_MEMORY:
            self._record.record_out_of_memory(event.request_id, event.time_unix_ns)

    def _record_spans(self, event: Event) -> None:
        # A report has these where there is no runtimeDone: in Managed Instances.
        spans = event.record.get("spans") if isinstance(event.record, dict) else None
        for span in spans if isinstance(spans, list) else ():
            name = _SPANS.get(platform_events.text_of(span, "name"))
            duration_ms = _number(span, "durationMs")
            if name is not None and duration_ms is not None:
                self._record_time(event, name, duration_ms)

    def _record_report(self, event: Event) -> None:
        metrics = _metrics(event)
        duration_ms = _number(metrics, "durationMs")
        if duration_ms is not None:
            self._record_post_runtime(event, duration_ms, of_runtime=False)
        size_mb, used_mb = _number(metrics, "memorySizeMB"), _number(metrics, "maxMemoryUsedMB")
        billed_ms = _number(metrics, "billedDurationMs")
        if billed_ms is not None:
            self._record_time(event, "aws.lambda.billed_duration", billed_ms)
            cost = self._prices.of(billed_ms, size_mb) if size_mb else None
            if cost is not None:
                self._record_of(event, COUNTER, "aws.lambda.estimated_cost", "{USD}", cost)
        if size_mb:
            size_bytes = size_mb * _BYTES_PER_MB
            self._record_of(event, GAUGE, "aws.lambda.memory.size", "By", size_bytes)
            if used_mb is not None:
                name, share = "aws.lambda.memory.utilization", used_mb / size_mb
                self._record_of(event, HISTOGRAM, name, "1", share)
        self._record_spans(event)
        if _out_of_memory(event, used_mb, size_mb):
            self._record.record_out_of_memory(event.request_id, event.time_unix_ns)

    def _record_post_runtime(self, event: Event, duration_ms: float, *, of_runtime: bool) -> None:
        """What came after the runtime was done is the difference of two events, in any order."""
        request_id = event.request_id
        if not request_id:
            return
        known = self._durations.pop(request_id, None)
        if known is None or known[0] == of_runtime:
            remember(self._durations, request_id, (of_runtime, duration_ms))
            return
        runtime_ms, total_ms = duration_ms, known[1]
        if not of_runtime:
            runtime_ms, total_ms = total_ms, runtime_ms
        after_ms = max(0.0, total_ms - runtime_ms)
        self._record_time(event, "aws.lambda.post_runtime_duration", after_ms)

    def _record_restore(self, event: Event) -> None:
        duration_ms = _number(_metrics(event), "durationMs")
        if duration_ms is not None:
            self._record_time(event, "aws.lambda.restore_duration", duration_ms)

    def _record_time(self, event: Event, name: str, duration_ms: float) -> None:
        self._record_of(event, HISTOGRAM, name, "s", duration_ms / _MS_PER_S)

    def _record_of(self, event: Event, kind: str, name: str, unit: str, value: float) -> None:
        time_unix_ns, request_id = event.time_unix_ns, event.request_id
        self._record.record(Measurement(kind, name, unit, value, time_unix_ns, request_id))


def _out_of_memory(event: Event, used_mb: float | None, size_mb: float | None) -> bool:
    """Whether a report is of a process that was killed because the memory was full."""
    error_type = platform_events.text_of(event.record, "errorType")
    if error_type == _OUT_OF_MEMORY:
        return True
    if platform_events.text_of(event.record, "status") in _NOT_KILLED or not size_mb:
        return False
    return error_type in _KILLED and used_mb is not None and used_mb >= size_mb


def _metrics(event: Event) -> object:
    return event.record.get("metrics") if isinstance(event.record, dict) else None


def _number(record: object, name: str) -> float | None:
    value = record.get(name) if isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value < 1e18 else None
