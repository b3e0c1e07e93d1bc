"""The conventions' FaaS metrics, from what runtime and platform say of invocations. Pure.

Names and units: https://opentelemetry.io/docs/specs/semconv/faas/faas-metrics/.
"""

from __future__ import annotations

from serverless_instrument.forwarder.faas_metrics.measurement import (
    COUNTER,
    HISTOGRAM,
    Measurement,
)
from serverless_instrument.forwarder.faas_metrics.usage_metrics import Used
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.wire import FACT_COLDSTART, TRIGGER_MASK, TRIGGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
    from serverless_instrument.forwarder.faas_metrics.recorder import MetricRecorder
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event

    class UsageMetrics(Protocol):
        """Records more of what an invocation has used."""

        def record_usage(
            self, before: Usage | None, after: Usage | None, request_id: str, end_unix_ns: int
        ) -> None:
            """Record usage from that at its start and at its end, None for unknown."""


_BYTES_PER_MB = 1024 * 1024
# Invocations whose END has yet to come.
_MOST_REMEMBERED = 256
# Reports of inits before any invocation: one, unless init fails and is repeated.
_MOST_INITS = 8


class InvocationMetrics:
    """Counts and times invocations; aggregates when a flush asks.

    Lambda is told that an invocation is over before `read_usage_of_ended` reads what it has used,
    which does not grow while the environment is frozen.

    Args:
        recorder: takes measurements.
        usage: reads what the environment has used so far; None where that is unknown.
        usage_metrics: gets each invocation's usage when it is aggregated; None where not wanted.
    """

    __slots__ = (
        "_inits",
        "_latest",
        "_recorder",
        "_started",
        "_unread",
        "_usage",
        "_usage_metrics",
    )

    def __init__(
        self,
        recorder: MetricRecorder,
        usage: Callable[[], Usage | None],
        usage_metrics: UsageMetrics | None = None,
    ) -> None:
        self._recorder = recorder
        self._usage = usage
        self._usage_metrics = usage_metrics
        # Of invocations that have ended: lists that the usage at their end is put in.
        self._unread: list[list[Usage | None]] = []
        self._latest = ""
        # (duration in seconds, end) of inits, until the invocation that they were for comes.
        self._inits: list[tuple[float, int]] = []
        # request id -> (start in Unix nanoseconds, usage at the start)
        self._started: dict[str, tuple[int, Usage | None]] = {}

    def record_start(self, resource: bytes, request_id: str, facts: int, time_unix_ns: int) -> None:
        """START came; `facts` are those of `wire`."""
        self.read_usage_of_ended()
        self._recorder.catch_up()
        arguments = (resource, request_id, facts, time_unix_ns, self._usage())
        is_metric = bool(facts & FACT_COLDSTART)
        self._recorder.defer(self._aggregate_start, *arguments, is_metric=is_metric)

    def record_never_started(
        self,
        resource: bytes,
        request_id: str,
        error_type: str,
        start_unix_ns: int,
        end_unix_ns: int,
    ) -> None:
        """Init failed, or took all the time, of an invocation that the function never saw."""
        arguments = (resource, request_id, FACT_COLDSTART, start_unix_ns, None)
        self._recorder.defer(self._aggregate_start, *arguments)
        self._recorder.defer(self._aggregate_end, request_id, end_unix_ns, error_type, [None])

    def record_end(self, request_id: str, time_unix_ns: int, error_type: str) -> None:
        """An invocation is over; `error_type` is "" for a success, "timeout" for a timeout."""
        after: list[Usage | None] = []
        self._unread.append(after)
        self._recorder.defer(self._aggregate_end, request_id, time_unix_ns, error_type, after)

    def read_usage_of_ended(self) -> None:
        """Read what invocations that are over have used; cheap where none is."""
        if self._unread:
            unread, self._unread = self._unread, []
            usage = self._usage()
            for after in unread:
                after.append(usage)

    def subscribe(self, events: Dispatch) -> None:
        """Ask for platform events.

        https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
        """
        events.add_handler(platform_events.INIT_REPORT, self._record_init_report)
        events.add_handler(platform_events.REPORT, self._record_report)

    def _record_init_report(self, event: Event) -> None:
        if duration_ms := _number(event, "durationMs"):
            self._recorder.defer(self._aggregate_init, duration_ms / 1000, event.time_unix_ns)

    def _record_report(self, event: Event) -> None:
        if used_mb := _number(event, "maxMemoryUsedMB"):
            used_bytes = used_mb * _BYTES_PER_MB
            time_unix_ns, request_id = event.time_unix_ns, event.request_id
            self._recorder.record(
                Measurement(HISTOGRAM, "faas.mem_usage", "By", used_bytes, time_unix_ns, request_id)
            )

    def record_shutdown(self, resource: bytes) -> None:
        """Nothing more is to come; `resource` is for inits that no invocation followed."""
        self._recorder.defer(self._aggregate_last, resource)

    # At the flush.

    def _aggregate_start(
        self,
        resource: bytes,
        request_id: str,
        facts: int,
        time_unix_ns: int,
        usage: Usage | None,
    ) -> None:
        self._recorder.resource, self._latest = resource, request_id
        trigger = facts & TRIGGER_MASK
        name = TRIGGERS[trigger] if trigger < len(TRIGGERS) else TRIGGERS[0]
        self._recorder.remember_trigger(request_id, name)
        self._started[request_id] = (time_unix_ns, usage)
        if len(self._started) > _MOST_REMEMBERED:
            del self._started[next(iter(self._started))]
        if facts & FACT_COLDSTART:
            self._aggregate(COUNTER, "faas.coldstarts", "{coldstart}", 1, time_unix_ns, request_id)
        self._aggregate_inits()

    def _aggregate_end(
        self, request_id: str, time_unix_ns: int, error_type: str, read: list[Usage | None]
    ) -> None:
        if not read:
            self.read_usage_of_ended()
        started = self._started.pop(request_id, None)
        if started is None:
            return
        (start_unix_ns, before), (after,) = started, read
        invocation = (time_unix_ns, request_id)
        if not error_type:
            self._aggregate(COUNTER, "faas.invocations", "{invocation}", 1, *invocation)
        else:
            self._aggregate(COUNTER, "faas.errors", "{error}", 1, *invocation)
        if error_type == "timeout":
            self._aggregate(COUNTER, "faas.timeouts", "{timeout}", 1, *invocation)
        duration_s = max(0, time_unix_ns - start_unix_ns) / 1e9
        self._aggregate(HISTOGRAM, "faas.invoke_duration", "s", duration_s, *invocation)
        if before is not None and after is not None:
            used = Used(before, after)
            if used.cpu_s is not None:
                self._aggregate(HISTOGRAM, "faas.cpu_usage", "s", used.cpu_s, *invocation)
            if used.network_bytes is not None:
                self._aggregate(HISTOGRAM, "faas.net_io", "By", used.network_bytes, *invocation)
        if self._usage_metrics is not None:
            self._usage_metrics.record_usage(before, after, request_id, time_unix_ns)

    def _aggregate_init(self, duration_s: float, time_unix_ns: int) -> None:
        # It names no request, and comes before the first: that one's trigger is what it was for.
        self._inits = [*self._inits, (duration_s, time_unix_ns)][-_MOST_INITS:]
        if self._recorder.resource:
            self._aggregate_inits()

    def _aggregate_inits(self) -> None:
        inits, self._inits = self._inits, []
        for duration_s, time_unix_ns in inits:
            name = "faas.init_duration"
            self._aggregate(HISTOGRAM, name, "s", duration_s, time_unix_ns, self._latest)

    def _aggregate_last(self, resource: bytes) -> None:
        self._recorder.resource = self._recorder.resource or resource
        self._aggregate_inits()

    def _aggregate(
        self, kind: str, name: str, unit: str, value: float, time_unix_ns: int, request_id: str
    ) -> None:
        measurement = Measurement(kind, name, unit, value, time_unix_ns, request_id)
        self._recorder.aggregate(measurement)


def _number(event: Event, name: str) -> float:
    metrics = event.record.get("metrics") if isinstance(event.record, dict) else None
    value = metrics.get(name) if isinstance(metrics, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return value if 0 < value < 1e18 else 0.0
