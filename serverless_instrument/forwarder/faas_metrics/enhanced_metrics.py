"""What becomes of invocations and environments beyond the conventions' FaaS metrics; pure.

Metrics ``aws.lambda.*`` of the platform's reports (`report_metrics`), the runtime's frames, and
what /proc shows (`usage_metrics`, `peaks`). docs/metrics.md lists them.
"""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.forwarder.faas_metrics import usage_metrics
from serverless_instrument.forwarder.faas_metrics.enhanced_record import EnhancedRecord, remember
from serverless_instrument.forwarder.faas_metrics.peak_sampling import Peaks
from serverless_instrument.forwarder.faas_metrics.report_metrics import ReportMetrics
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.wire import FACT_OUT_OF_MEMORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.faas_metrics.cost import Prices
    from serverless_instrument.forwarder.faas_metrics.enhanced_record import Recorder
    from serverless_instrument.forwarder.faas_metrics.peak_sampling import Held
    from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event

_LIMITS = (
    ("descriptors", "file_descriptors.max", "{file_descriptor}"),
    ("threads", "threads.max", "{thread}"),
)
_REASON_CHARACTERS = 40


def wanted(environ: Mapping[str, str], warnings: list[str]) -> bool:
    """Whether the setting leaves them on."""
    return environment.boolean(environ, "SERVERLESS_INSTRUMENT_ENHANCED_METRICS", True, warnings)


class EnhancedMetrics:
    """Turns events, frames and usage into measurements.

    Args:
        recorder: takes them.
        prices: what invocations cost.
        sample: what the processes of a runtime hold, given its process id; None if it is gone.
        limits: how much it may hold: "descriptors", "threads".
        clock: monotonic, in seconds.

    `peaks` says when to call `look`.
    """

    __slots__ = (
        "_begun",
        "_clock",
        "_init_failed",
        "_init_ran_out",
        "_invoked",
        "_limited_pid",
        "_limits",
        "_maxima",
        "_ready",
        "_record",
        "_report",
        "_sample",
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
        # Of the process that was looked at last.
        self._limited_pid = 0
        self._maxima: Mapping[str, int] = {}
        self._begun: dict[str, None] = {}
        # Whether the environment was ready for an invocation, and whether one came.
        self._ready = self._init_failed = self._invoked = False
        # Whether init ended of a MemoryError of which no invocation has been told.
        self._init_ran_out = False
        self.peaks = Peaks()

    def connect(self, events: Dispatch) -> None:
        """Look at the platform's events."""
        events.on(platform_events.INIT_REPORT, self._init_report)
        events.on(platform_events.START, self._platform_started)
        for kind in (platform_events.RUNTIME_DONE, platform_events.REPORT):
            events.on(kind, self._platform_done)
        self._report.connect(events)

    def _init_report(self, event: Event) -> None:
        if platform_events.text_of(event.record, "status") in ("", "success"):
            self._ready = True
        else:
            self._init_failed = True

    def _platform_started(self, _: Event) -> None:
        self._invoked = True

    def _platform_done(self, event: Event) -> None:
        self._invoked = True
        if self._init_ran_out:
            self._init_ran_out = False
            self._record.ran_out_of_memory(event.request_id, event.time_unix_ns)

    def greeted(self) -> None:
        """HELLO came: a runtime is there."""
        self._ready = True

    def init_failed(self, error_type: str) -> None:
        """INIT_ERROR came, of an exception of class `error_type`."""
        self._init_failed = True
        # It is told with the invocation that it was for, like the init itself.
        self._init_ran_out = error_type == "MemoryError"

    def invoked(self) -> None:
        """INVOKE came."""
        self._invoked = True

    def began(self, request_id: str, pid: int, left_s: float) -> None:
        """START came from process `pid`, 0 if unknown, with `left_s` to its deadline, 0 if none."""
        self._invoked = True
        self._record.begins(request_id)
        remember(self._begun, request_id, None)
        self.peaks.began(request_id, pid, self._clock(), left_s)
        if pid != self._limited_pid:
            self._limited_pid, self._maxima = pid, self._limits(pid) if pid > 0 else {}

    def ended(self, request_id: str, facts: int, failed_items: int, time_unix_ns: int) -> None:
        """END came; `facts` and `failed_items` are those of `wire`. Without a START it is none."""
        self.peaks.ended(request_id)
        if request_id not in self._begun:
            return
        del self._begun[request_id]
        if facts & FACT_OUT_OF_MEMORY:
            self._record.ran_out_of_memory(request_id, time_unix_ns)
        if failed_items:
            name = "batch_item_failures"
            self._record.add(name, "{item}", failed_items, request_id, time_unix_ns)

    def left(self, request_id: str) -> None:
        """A runtime is gone with this one unfinished."""
        self.peaks.ended(request_id)

    def look(self) -> None:
        """See what that runs now holds."""
        began_s = self._clock()
        held = {pid: self._sample(pid) for pid in self.peaks.pids}
        ended_s = self._clock()
        self.peaks.saw(held, ended_s, ended_s - began_s)

    def invocation(
        self,
        before: Usage | None,
        after: Usage | None,
        request_id: str,
        start_unix_ns: int,  # noqa: ARG002 - what is measured is told with the end's time
        end_unix_ns: int,
    ) -> None:
        """What an invocation has used, from the usage at both of its ends, None for unknown."""
        peak = self.peaks.take(request_id)
        for name, unit, value in usage_metrics.measurements(before, after, peak):
            self._record.measure(name, unit, value, request_id, end_unix_ns)
        if peak.tmp_bytes:
            self._record.set("tmp.max", "By", peak.tmp_bytes, end_unix_ns)
        if after is not None and after.cores:
            self._record.set("cpu.cores", "{cpu}", after.cores, end_unix_ns)
        for limit, name, unit in _LIMITS:
            if limit in self._maxima:
                self._record.set(name, unit, self._maxima[limit], end_unix_ns)

    def shut_down(self, reason: str, now_unix_ns: int) -> None:
        """Nothing more comes; `reason` is SHUTDOWN's, "" where the platform has not said it."""
        reason = reason.lower()  # SPINDOWN in one place, spindown in another
        if reason:
            told = (("aws.lambda.shutdown.reason", reason[:_REASON_CHARACTERS]),)
            self._record.add("shutdowns", "{shutdown}", 1, "", now_unix_ns, told)
        failed = self._init_failed or "fail" in reason or "timeout" in reason
        if self._init_ran_out:
            self._record.ran_out_of_memory("", now_unix_ns)
        if self._ready and not self._invoked and not failed:
            self._record.add("unused_inits", "{init}", 1, "", now_unix_ns)
