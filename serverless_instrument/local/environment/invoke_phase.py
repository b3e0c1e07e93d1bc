"""The invoke phase: from an invocation's start to its report, or to the environment's reset."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from serverless_instrument.local.environment import platform_events
from serverless_instrument.local.environment.init_phase import InitError, InitPhase
from serverless_instrument.local.environment.invocation import (
    ERROR,
    FAILURE,
    SUCCESS,
    TIMEOUT,
    Invocation,
    InvocationResult,
)
from serverless_instrument.local.environment.sandbox_state import READY
from serverless_instrument.local.function.config import FUNCTION_VERSION, LocalConfig

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from serverless_instrument.local.environment.lifecycle import Lifecycle
    from serverless_instrument.local.environment.telemetry_sink import TelemetrySink

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
INIT_LIMIT_S = 10.0

# The platform spells one with a capital letter and the other without.
_REASON_TIMEOUT, _REASON_FAILURE = "Timeout", "failure"


class InvokePhase:
    """Takes one invocation through an environment; sets `answer` as soon as the runtime answers."""

    def __init__(
        self,
        config: LocalConfig,
        telemetry: TelemetrySink,
        invocation: Invocation,
        answer: asyncio.Future[InvocationResult],
    ) -> None:
        self._config = config
        self._telemetry = telemetry
        self._invocation = invocation
        self._answer = answer
        self._result: InvocationResult | None = None
        self._init_ms: float | None = None
        self._runtime_done_s: float | None = None
        self._status = SUCCESS

    async def initialize(self, lifecycle: Lifecycle, phase: str) -> bool:
        """Initialize in the phase ``init`` or ``invoke``; False if that failed.

        A failure in the invoke phase is the invocation's.
        """
        if phase == "init":
            deadline_s = time.monotonic() + INIT_LIMIT_S
        else:
            self._invocation.start_clock(self._config.timeout_s)
            deadline_s = self._invocation.deadline_s
        try:
            duration_ms = await InitPhase(lifecycle, phase, deadline_s).run()
        except InitError as failure:
            if phase == "invoke":
                self._emit_start()
                await self._reset(lifecycle)
            else:
                timed_out = failure.status == TIMEOUT
                await lifecycle.shut_down(_REASON_TIMEOUT if timed_out else _REASON_FAILURE)
            return False
        if phase == "init":
            self._init_ms = duration_ms
        return True

    async def run(self, lifecycle: Lifecycle) -> bool:
        """Invoke; False if the environment had to be reset."""
        invocation, environment = self._invocation, lifecycle.environment
        if not invocation.started_s:
            invocation.start_clock(self._config.timeout_s)
        self._emit_start()
        environment.release_invocation(invocation)
        if not await self._wait_for(lifecycle, lambda: invocation.response is not None):
            return await self._reset(lifecycle)
        lifecycle.drain_output()
        if invocation.is_error:
            self._status = ERROR
        self._give_answer()
        if not await self._wait_for(lifecycle, lambda: environment.runtime.state == READY):
            return await self._reset(lifecycle)
        lifecycle.drain_output()
        self._emit_runtime_done()
        if not await self._wait_for(lifecycle, environment.extensions_ready):
            return await self._reset(lifecycle)
        self._emit_report(lifecycle, invocation.elapsed_ms())
        if self._config.freeze:
            lifecycle.freeze()
        return True

    async def _wait_for(self, lifecycle: Lifecycle, condition: Callable[[], bool]) -> bool:
        """False if a process failed or the function's time ran out first."""
        environment = lifecycle.environment
        await environment.changes.wait_until(
            lambda: condition() or environment.failure is not None, self._invocation.deadline_s
        )
        return condition()

    async def _reset(self, lifecycle: Lifecycle) -> bool:
        """End the environment after a timeout or a failure. Returns False.

        The caller gets the platform's error document unless the runtime has answered.
        """
        invocation, failure = self._invocation, lifecycle.environment.failure
        if failure is None:
            error_type, reason, self._status = "Sandbox.Timedout", _REASON_TIMEOUT, TIMEOUT
            message = f"Task timed out after {self._config.timeout_s:.2f} seconds"
            document = platform_events.error_document(error_type, message, invocation.request_id)
        else:
            error_type, reason = failure.error_type, _REASON_FAILURE
            self._status = FAILURE if error_type.startswith("Sandbox.") else ERROR
            document = failure.to_document(invocation.request_id)
        produced = invocation.response
        if produced is None:
            invocation.record_response(document, is_error=True, error_type=error_type)
        lifecycle.max_memory_used_mb()
        self._give_answer()
        if self._runtime_done_s is None:
            self._emit_runtime_done(produced, error_type)
        duration_ms = invocation.elapsed_ms()
        started_s, started_unix_ns = time.monotonic(), time.time_ns()
        await lifecycle.stop_runtime(started_s)
        self._emit_report(lifecycle, duration_ms, error_type)
        await lifecycle.stop_extensions(reason, started_s, started_unix_ns)
        return False

    def _give_answer(self) -> None:
        invocation = self._invocation
        if self._result is not None:
            self._result.status = self._status
            return
        assert invocation.response is not None
        self._result = InvocationResult(
            request_id=invocation.request_id,
            response=invocation.response,
            error=invocation.is_error,
            status=self._status,
            response_ms=invocation.elapsed_ms(),
            duration_ms=invocation.elapsed_ms(),
            trace_id=invocation.trace_id,
            init_duration_ms=self._init_ms,
            error_type=invocation.error_type,
        )
        self._answer.set_result(self._result)

    def _emit_start(self) -> None:
        invocation = self._invocation
        record = platform_events.start(invocation.request_id, FUNCTION_VERSION, invocation.trace_id)
        self._telemetry.emit_event("platform.start", record, invocation.started_unix_ns)

    def _emit_runtime_done(
        self, produced: bytes | None = None, error_type: str | None = None
    ) -> None:
        invocation = self._invocation
        self._runtime_done_s = time.monotonic()
        produced = invocation.response if error_type is None else produced
        spans = self._response_spans() if produced is not None else []
        record = platform_events.runtime_done(
            invocation.request_id,
            self._status,
            invocation.elapsed_ms(),
            None if produced is None else len(produced),
            error_type or invocation.error_type,
            spans,
            invocation.trace_id,
        )
        self._telemetry.emit_event("platform.runtimeDone", record)

    def _response_spans(self) -> list[platform_events.Event]:
        """``spans`` of platform.runtimeDone: latency, duration and overhead of the response."""
        invocation, end_s = self._invocation, self._runtime_done_s
        if invocation.responded_s is None or end_s is None:
            return []
        latency_ms = (invocation.responded_s - invocation.started_s) * 1000
        responded_unix_ns = invocation.started_unix_ns + round(latency_ms * 1e6)
        overhead_ms = (end_s - invocation.responded_s) * 1000
        return [
            platform_events.span("responseLatency", invocation.started_unix_ns, latency_ms),
            platform_events.span("responseDuration", responded_unix_ns, 0),
            platform_events.span("runtimeOverhead", responded_unix_ns, overhead_ms),
        ]

    def _emit_report(
        self, lifecycle: Lifecycle, duration_ms: float, error_type: str | None = None
    ) -> None:
        invocation, result = self._invocation, self._result
        assert result is not None
        metrics = platform_events.report_metrics(
            duration_ms, self._init_ms, self._config.memory_mb, lifecycle.max_memory_used_mb()
        )
        spans = []
        if lifecycle.environment.extensions and self._runtime_done_s is not None:
            overhead_ms = (time.monotonic() - self._runtime_done_s) * 1000
            done_unix_ns = time.time_ns() - round(overhead_ms * 1e6)
            spans.append(platform_events.span("extensionOverhead", done_unix_ns, overhead_ms))
        record = platform_events.report(
            invocation.request_id,
            self._status,
            metrics,
            error_type or invocation.error_type,
            spans,
            invocation.trace_id,
        )
        self._telemetry.emit_event("platform.report", record)
        result.duration_ms = metrics["durationMs"]
        result.billed_duration_ms = metrics["billedDurationMs"]
        result.max_memory_used_mb = metrics["maxMemoryUsedMB"]
