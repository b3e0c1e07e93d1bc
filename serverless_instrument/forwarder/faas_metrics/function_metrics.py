"""Metrics of the function, from frames, platform events and /proc.

Loaded where metrics have a destination.
"""

from __future__ import annotations

import posix
from time import monotonic

from serverless_instrument.forwarder.faas_metrics import enhanced_metrics
from serverless_instrument.forwarder.faas_metrics.invocation_metrics import InvocationMetrics
from serverless_instrument.forwarder.faas_metrics.proc_stats import UsageReader
from serverless_instrument.forwarder.faas_metrics.recorder import MetricRecorder
from serverless_instrument.wire import FACT_FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.faas_metrics.enhanced_metrics import EnhancedMetrics
    from serverless_instrument.forwarder.metrics.metric_aggregation import Aggregation
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch
    from serverless_instrument.wire_payloads import RequestPayload

_NEVER = float("inf")


def load(
    environ: Mapping[str, str], aggregation: Aggregation, report: Callable[[str, str], None]
) -> FunctionMetrics:
    """The function's metrics as `environ` asks for them; `report` is told of bad settings.

    Args:
        environ: the environment.
        aggregation: takes measurements.
        report: see `Delivery`.
    """
    warnings: list[str] = []
    enhanced = enhanced_metrics.wanted(environ, warnings)
    for warning in warnings:
        report(warning, warning)
    recorder = MetricRecorder(aggregation)
    reader = UsageReader(enhanced=enhanced)
    more = _enhanced(environ, recorder, report) if enhanced else None
    return FunctionMetrics(InvocationMetrics(recorder, reader.usage, more), reader, more)


def _enhanced(
    environ: Mapping[str, str], recorder: MetricRecorder, report: Callable[[str, str], None]
) -> EnhancedMetrics:
    from serverless_instrument.forwarder.faas_metrics import cost, proc_sampler

    prices = cost.Prices(environ, posix.uname().machine)
    for warning in prices.warnings:
        report(warning, warning)
    sample, limits = proc_sampler.sample, proc_sampler.limits
    return enhanced_metrics.EnhancedMetrics(recorder, prices, sample, limits, monotonic)


class FunctionMetrics:
    """Hands what happens to each kind of metrics, in the order that reading /proc needs.

    Args:
        invocations: the conventions' metrics.
        reader: reads usage for them.
        enhanced: the others, None where they are switched off.
    """

    __slots__ = ("_enhanced", "_invocations", "_reader")

    def __init__(
        self,
        invocations: InvocationMetrics,
        reader: UsageReader,
        enhanced: EnhancedMetrics | None = None,
    ) -> None:
        self._invocations = invocations
        self._reader = reader
        self._enhanced = enhanced

    def subscribe(self, events: Dispatch) -> None:
        """Ask for platform events."""
        self._invocations.subscribe(events)
        if self._enhanced is not None:
            self._enhanced.subscribe(events)

    # From the runtime's frames.

    def record_hello(self) -> None:
        """HELLO came."""
        if self._enhanced is not None:
            self._enhanced.record_hello()

    def record_start(self, pid: int, resource: bytes, request: RequestPayload) -> None:
        """START came from process `pid`, 0 if unknown, of a function with `resource`."""
        # Invocations that are over are read before the reader turns to another process.
        self._invocations.read_usage_of_ended()
        self._reader.prepare_start(pid, request.cpu_ns)
        time_unix_ns, deadline_unix_ms = request.time_unix_ns, request.deadline_unix_ms
        if self._enhanced is not None:
            left_s = deadline_unix_ms / 1000 - time_unix_ns / 1e9 if deadline_unix_ms else 0.0
            self._enhanced.record_start(request.request_id, pid, left_s)
        self._invocations.record_start(resource, request.request_id, request.facts, time_unix_ns)

    def record_end(self, pid: int, request: RequestPayload) -> None:
        """END came from process `pid`, 0 if unknown."""
        self._invocations.read_usage_of_ended()
        self._reader.prepare_end(pid, request.cpu_ns)
        request_id, time_unix_ns, facts = request.request_id, request.time_unix_ns, request.facts
        if self._enhanced is not None:
            self._enhanced.record_end(request_id, facts, request.failed_items, time_unix_ns)
        error_type = "error" if facts & FACT_FAILED else ""
        self._invocations.record_end(request_id, time_unix_ns, error_type)

    def record_init_error(self, error_type: str) -> None:
        """INIT_ERROR came, of an exception of class `error_type`."""
        if self._enhanced is not None:
            self._enhanced.record_init_error(error_type)

    def record_runtime_exit(self, request_ids: list[str]) -> None:
        """A runtime is gone, with `request_ids` unfinished."""
        if self._enhanced is not None:
            for request_id in request_ids:
                self._enhanced.record_runtime_exit(request_id)

    # From the platform, and what was concluded from it.

    def record_invoke(self) -> None:
        """INVOKE came."""
        if self._enhanced is not None:
            self._enhanced.record_invoke()

    def record_unfinished(self, request_id: str, end_unix_ns: int, error_type: str) -> None:
        """An invocation ended without END."""
        self._invocations.record_end(request_id, end_unix_ns, error_type)

    def record_never_started(
        self,
        resource: bytes,
        request_id: str,
        error_type: str,
        start_unix_ns: int,
        end_unix_ns: int,
    ) -> None:
        """An invocation ended before the runtime said START."""
        times = start_unix_ns, end_unix_ns
        self._invocations.record_never_started(resource, request_id, error_type, *times)

    def record_shutdown(self, resource: bytes, reason: str, now_unix_ns: int) -> None:
        """Nothing more comes; `reason` is SHUTDOWN's, "" where the platform has not said it."""
        self._invocations.record_shutdown(resource)
        if self._enhanced is not None:
            self._enhanced.record_shutdown(reason, now_unix_ns)

    # From the loop.

    def read_usage_of_ended(self) -> None:
        """Read what invocations that are over have used."""
        self._invocations.read_usage_of_ended()

    def stop_sampling(self) -> None:
        """Nothing runs any more that could be sampled."""
        if self._enhanced is not None:
            self._enhanced.peaks.end_all()

    @property
    def sample_at_s(self) -> float:
        """When to call `take_due_sample` (monotonic); infinity where nothing runs."""
        return self._enhanced.peaks.sample_at_s if self._enhanced is not None else _NEVER

    def take_due_sample(self, now_s: float) -> None:
        """Sample what running invocations hold, if it is time."""
        if self._enhanced is not None and now_s >= self._enhanced.peaks.sample_at_s:
            self._enhanced.take_sample()
