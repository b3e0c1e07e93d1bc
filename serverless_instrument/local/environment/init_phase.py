"""The init phase: start extensions and runtime, wait for the first /next of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from serverless_instrument.local.environment import platform_events
from serverless_instrument.local.environment.sandbox_state import LAUNCH_ERROR, READY

if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.local.environment.lifecycle import Lifecycle


class InitError(Exception):
    """The initialization failed; `status`, ``error`` or ``timeout``, is platform.initReport's."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class InitPhase:
    """Initializes a new environment, so that it can be invoked."""

    def __init__(self, lifecycle: Lifecycle, phase: str, deadline_s: float) -> None:
        self._lifecycle = lifecycle
        self._environment = lifecycle.environment
        self._telemetry = lifecycle.telemetry
        self._phase = phase
        self._deadline_s = deadline_s

    async def run(self) -> float:
        """Start extensions, then the runtime; return when all have called /next.

        Returns the duration in milliseconds.

        Raises:
            InitError: a process failed (see `environment.failure`) or time ran out.
        """
        started_s = time.monotonic()
        self._telemetry.open_subscriptions()
        self._emit_start()
        status = "success"
        try:
            await self._start_extensions()
            await self._start_runtime()
            await self._wait_for(self._environment.extensions_ready)
        except InitError as error:
            status = error.status
            raise
        finally:
            self._telemetry.close_subscriptions()
            duration_ms = (time.monotonic() - started_s) * 1000
            self._emit_extensions()
            report = platform_events.init_report(
                self._phase, status, duration_ms, self._error_type()
            )
            self._telemetry.emit_event("platform.initReport", report)
        return duration_ms

    async def _start_extensions(self) -> None:
        # Registration is by name, so every name is known before the first process starts.
        for path in self._lifecycle.plan.extensions:
            self._environment.expect_extension(path.name)
        for path in self._lifecycle.plan.extensions:
            try:
                await self._lifecycle.start_extension(path)
            except OSError as error:
                self._environment.extensions[path.name].state = LAUNCH_ERROR
                self._environment.record_failure(
                    "Extension.LaunchError", f"{path}: {error.strerror}"
                )
                break
        await self._wait_for(self._environment.external_registered)

    async def _start_runtime(self) -> None:
        status = "error"
        try:
            await self._lifecycle.start_runtime()
            await self._wait_for(lambda: self._environment.runtime.state == READY)
            status = "success"
        except OSError as error:
            program = self._lifecycle.plan.runtime_command[0]
            self._environment.record_failure(
                "Runtime.InvalidEntrypoint", f"{program}: {error.strerror}"
            )
            raise InitError("error") from None
        except InitError as error:
            status = error.status
            raise
        finally:
            self._environment.registration_open = False
            self._lifecycle.drain_output()
            record = platform_events.init_runtime_done(self._phase, status, self._error_type())
            self._telemetry.emit_event("platform.initRuntimeDone", record)

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        environment = self._environment
        in_time = await environment.changes.wait_until(
            lambda: environment.failure is not None or condition(), self._deadline_s
        )
        if environment.failure is not None:
            raise InitError("error")
        if not in_time:
            raise InitError("timeout")

    def _error_type(self) -> str | None:
        failure = self._environment.failure
        return failure.error_type if failure else None

    def _emit_start(self) -> None:
        function = self._environment.function
        version = self._lifecycle.plan.runtime_environment.get("AWS_EXECUTION_ENV", "")
        record = platform_events.init_start(
            function["functionName"], function["functionVersion"], self._phase, version
        )
        self._telemetry.emit_event("platform.initStart", record)

    def _emit_extensions(self) -> None:
        for extension in self._environment.extensions.values():
            record = platform_events.extension(
                extension.name, extension.state, extension.events, extension.error_type
            )
            self._telemetry.emit_event("platform.extension", record)
