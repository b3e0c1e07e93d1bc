"""Enhanced metrics, ``aws.lambda.*``: beyond the conventions' FaaS metrics. Pure.

From platform events (`report_metrics`), the runtime's frames, and /proc (`usage_metrics`,
`peak_sampling`). docs/metrics.md lists them.
"""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.forwarder.faas_metrics import usage_metrics
from serverless_instrument.forwarder.faas_metrics.enhanced_record import EnhancedRecord, remember
from serverless_instrument.forwarder.faas_metrics.measurement import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    Measurement,
)
from serverless_instrument.forwarder.faas_metrics.peak_sampling import Peaks
from serverless_instrument.forwarder.faas_metrics.report_metrics import ReportMetrics
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.wire import FACT_OUT_OF_MEMORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.faas_metrics.cost import Prices
    from serverless_instrument.forwarder.faas_metrics.measurement import Recorder
    from serverless_instrument.forwarder.faas_metrics.peak_sampling import Held
    from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event

_LIMITS = (
    ("descriptors", "aws.lambda.file_descriptors.max", "{file_descriptor}"),
    ("threads", "aws.lambda.threads.max", "{thread}"),
)
_REASON_CHARACTERS = 40


def wanted(environ: Mapping[str, str], warnings: list[str]) -> bool:
    """Whether the setting leaves them on."""
    return environment.boolean(environ, "SERVERLESS_INSTRUMENT_ENHANCED_METRICS", True, warnings)


class EnhancedMetrics:
    """Turns events, frames and usage into measurements.

    Args:
        recorder: takes measurements.
        prices: what invocations cost.
        sample: reads what the processes of a runtime, given its pid, hold; None if it is gone.
        limits: reads how much it may hold: "descriptors", "threads".
        clock: monotonic, in seconds.

    `peaks.sample_at_s` is when to call `take_sample`.
    """

    __slots__ = (
        "_clock",
        "_init_failed",
        "_init_out_of_memory",
        "_invoked",
        "_limited_pid",
        "_limits",
        "_maxima",
        "_ready",
        "_record",
        "_report",
        "_sample",
        "_started",
        "peaks",
    )

    def __init__(
        self,
        recorder: Recorder,
        prices: Prices,
        sample: Callable[[int], Held | None],
        limits: Callable[[int], Mapping[str, int]],
        clock: Callable[[], float],
    ) -> None:
        self._record = EnhancedRecord(recorder)
        self._report = ReportMetrics(self._record, prices)
        self._sample = sample
        self._limits = limits
        self._clock = clock
        # Of the process whose limits were read last.
        self._limited_pid = 0
        self._maxima: Mapping[str, int] = {}
        self._started: dict[str, None] = {}
        # Whether the environment was ready for an invocation, and whether one came.
        self._ready = self._init_failed = self._invoked = False
        # Whether init ended with a MemoryError that has not been counted for an invocation.
        self._init_out_of_memory = False
        self.peaks = Peaks()

    def subscribe(self, events: Dispatch) -> None:
        """Ask for platform events."""
        events.add_handler(platform_events.INIT_REPORT, self._record_init_report)
        events.add_handler(platform_events.START, self._record_platform_start)
        for kind in (platform_events.RUNTIME_DONE, platform_events.REPORT):
            events.add_handler(kind, self._record_platform_end)
        self._report.subscribe(events)

    def _record_init_report(self, event: Event) -> None:
        if platform_events.text_of(event.record, "status") in ("", "success"):
            self._ready = True
        else:
            self._init_failed = True

    def _record_platform_start(self, _: Event) -> None:
        self._invoked = True

    def _record_platform_end(self, event: Event) -> None:
        self._invoked = True
        if self._init_out_of_memory:
            self._init_out_of_memory = False
            self._record.record_out_of_memory(event.request_id, event.time_unix_ns)

    def record_hello(self) -> None:
        """HELLO came: a runtime is there."""
        self._ready = True

    def record_init_error(self, error_type: str) -> None:
        """INIT_ERROR came, of an exception of class `error_type`."""
        self._init_failed = True
        # It is counted with the invocation that it was for, like the init itself.
        self._init_out_of_memory = error_type == "MemoryError"

    def record_invoke(self) -> None:
        """INVOKE came."""
        self._invoked = True

    def record_start(self, request_id: str, pid: int, left_s: float) -> None:
        """START came from process `pid`, 0 if unknown, with `left_s` to its deadline, 0 if none."""
        self._invoked = True
        self._record.forget_out_of_memory(request_id)
        remember(self._started, request_id, None)
        self.peaks.start_invocation(request_id, pid, self._clock(), left_s)
        if pid != self._limited_pid:
            self._limited_pid, self._maxima = pid, self._limits(pid) if pid > 0 else {}

    def record_end(self, request_id: str, facts: int, failed_items: int, time_unix_ns: int) -> None:
        """END came; `facts` and `failed_items` are those of `wire`. It needs a START."""
        self.peaks.end_invocation(request_id)
        if request_id not in self._started:
            return
        del self._started[request_id]
        if facts & FACT_OUT_OF_MEMORY:
            self._record.record_out_of_memory(request_id, time_unix_ns)
        if failed_items:
            name, unit = "aws.lambda.batch_item_failures", "{item}"
            self._record.record(
                Measurement(COUNTER, name, unit, failed_items, time_unix_ns, request_id)
            )

    def record_runtime_exit(self, request_id: str) -> None:
        """A runtime is gone, with this invocation unfinished."""
        self.peaks.end_invocation(request_id)

    def take_sample(self) -> None:
        """Sample what running invocations hold."""
        began_s = self._clock()
        held = {pid: self._sample(pid) for pid in self.peaks.pids}
        ended_s = self._clock()
        self.peaks.record_sample(held, ended_s, ended_s - began_s)

    def record_usage(
        self, before: Usage | None, after: Usage | None, request_id: str, end_unix_ns: int
    ) -> None:
        """Record what an invocation has used, from usage at both of its ends, None for unknown."""
        peak = self.peaks.take_peak(request_id)
        for name, unit, value in usage_metrics.measurements(before, after, peak):
            self._record.record(Measurement(HISTOGRAM, name, unit, value, end_unix_ns, request_id))
        if peak.tmp_bytes:
            self._record_gauge("aws.lambda.tmp.max", "By", peak.tmp_bytes, end_unix_ns)
        if after is not None and after.cores:
            self._record_gauge("aws.lambda.cpu.cores", "{cpu}", after.cores, end_unix_ns)
        for limit, name, unit in _LIMITS:
            if limit in self._maxima:
                self._record_gauge(name, unit, self._maxima[limit], end_unix_ns)

    def _record_gauge(self, name: str, unit: str, value: float, time_unix_ns: int) -> None:
        self._record.record(Measurement(GAUGE, name, unit, value, time_unix_ns))

    def record_shutdown(self, reason: str, now_unix_ns: int) -> None:
        """Nothing more comes; `reason` is SHUTDOWN's, "" where the platform has not said it."""
        reason = reason.lower()  # SPINDOWN in one place, spindown in another
        if reason:
            attributes = (("aws.lambda.shutdown.reason", reason[:_REASON_CHARACTERS]),)
            self._count("aws.lambda.shutdowns", "{shutdown}", now_unix_ns, attributes)
        failed = self._init_failed or "fail" in reason or "timeout" in reason
        if self._init_out_of_memory:
            self._record.record_out_of_memory("", now_unix_ns)
        if self._ready and not self._invoked and not failed:
            self._count("aws.lambda.unused_inits", "{init}", now_unix_ns)

    def _count(
        self,
        name: str,
        unit: str,
        time_unix_ns: int,
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._record.record(Measurement(COUNTER, name, unit, 1, time_unix_ns, "", attributes))
