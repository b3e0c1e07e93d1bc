"""Processes of one execution environment: their start, freeze, thaw and shutdown."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serverless_instrument.local.environment import memory_limit, platform_events
from serverless_instrument.local.environment.processes import ChildProcess
from serverless_instrument.local.environment.sandbox_state import (
    EXITED,
    READY,
    SHUTDOWN,
    ExtensionState,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serverless_instrument.local.environment.environment import ExecutionEnvironment
    from serverless_instrument.local.environment.log_stream import LogRecord
    from serverless_instrument.local.environment.platform_events import Event
    from serverless_instrument.local.environment.telemetry_sink import TelemetrySink
    from serverless_instrument.local.function.launch_plan import LaunchPlan

    # Called with the source, ``function`` or ``extension``, and the record.
    OnLog = Callable[[str, LogRecord], None]

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
SHUTDOWN_EXTERNAL_S, SHUTDOWN_INTERNAL_S = 2.0, 0.5
# Share of that time for the runtime, before the extensions get SHUTDOWN, as in AWS's emulator.
_RUNTIME_SHARE = 0.3


@dataclass
class Lifecycle:
    """The processes that belong to `environment`.

    Attributes:
        runtime: the runtime process, once started.
        extensions: external extensions' processes by name.
        shutting_down: True once exits of processes are expected.
        memory_limit_mb: the runtime is killed when all processes together exceed it; 0: no limit.
    """

    plan: LaunchPlan
    environment: ExecutionEnvironment
    telemetry: TelemetrySink
    on_log: OnLog
    runtime: ChildProcess | None = None
    extensions: dict[str, ChildProcess] = field(default_factory=dict)
    shutting_down: bool = False
    memory_limit_mb: int = 0
    _out_of_memory: bool = False
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)

    async def start_extension(self, path: Path) -> None:
        """Start an external extension. Raises `OSError` if it cannot be executed."""
        process = await ChildProcess.start(
            [str(path)],
            self.plan.extension_environment,
            self.plan.directory,
            lambda record: self.on_log("extension", record),
        )
        self.extensions[path.name] = process
        self._watch(process, path.name)

    async def start_runtime(self) -> None:
        """Start the runtime. Raises `OSError` if it cannot be executed."""
        self.runtime = await ChildProcess.start(
            self.plan.runtime_command,
            self.plan.runtime_environment,
            self.plan.directory,
            lambda record: self.on_log("function", record),
            framed_log_variable=self.plan.framed_log_variable,
        )
        self._watch(self.runtime, None)
        if self.memory_limit_mb:
            self._watchers.append(asyncio.create_task(self._enforce_memory(self.runtime)))

    async def _enforce_memory(self, runtime: ChildProcess) -> None:
        """Kill the runtime when the environment exceeds its memory, as the platform does."""
        memory = memory_limit.ResidentMemory()
        while runtime.exit_code is None:
            pids = [process.pid for process in self.running_processes()]
            if memory.kb(pids) > self.memory_limit_mb * 1024:
                self.max_memory_used_mb()
                self._out_of_memory = True
                runtime.kill()
                return
            await asyncio.sleep(memory_limit.READ_INTERVAL_S)
            await self.telemetry.thawed.wait()

    def _watch(self, process: ChildProcess, extension: str | None) -> None:
        self._watchers.append(asyncio.create_task(self._await_exit(process, extension)))

    async def _await_exit(self, process: ChildProcess, extension: str | None) -> None:
        exit_code = await process.wait()
        if extension is not None:
            self.environment.extensions[extension].state = EXITED
        if not self.shutting_down:
            if extension is None:
                message = platform_events.exit_message(exit_code)
                kind = "Runtime.OutOfMemory" if self._out_of_memory else "Runtime.ExitError"
                self.environment.record_failure(kind, message)
            else:
                words = platform_events.describe_exit(exit_code)
                self.environment.record_failure(
                    "Extension.Crash", f"extension {extension}: {words}"
                )
        self.environment.changes.notify_waiters()

    def has_failed(self) -> bool:
        """True if one of its processes has ended or failed."""
        everyone = [self.runtime, *self.extensions.values()]
        ended = any(process and process.exit_code is not None for process in everyone)
        return ended or self.environment.failure is not None

    def running_processes(self) -> list[ChildProcess]:
        """Every process that still runs."""
        everyone = [self.runtime, *self.extensions.values()]
        return [process for process in everyone if process and process.exit_code is None]

    def drain_output(self) -> None:
        """Read what the processes have written so far."""
        for process in self.running_processes():
            process.drain_output()

    def freeze(self) -> None:
        """Stop all processes; nothing is delivered to them until `thaw`."""
        self.telemetry.thawed.clear()
        for process in self.running_processes():
            process.freeze()

    def thaw(self) -> None:
        """Continue all processes."""
        for process in self.running_processes():
            process.thaw()
        self.telemetry.thawed.set()

    def max_memory_used_mb(self) -> int:
        """Peak memory of all processes together, in MB as the platform counts them.

        Capped at a limit that is enforced: /proc is read after the limit was exceeded.
        """
        for process in self.running_processes():
            process.measure_memory()
        everyone = [self.runtime, *self.extensions.values()]
        total_kb = sum(process.peak_memory_kb for process in everyone if process)
        return min(-(-total_kb // 1024), self.memory_limit_mb or total_kb)

    async def shut_down(self, reason: str) -> None:
        """End all processes in the order and the time that the platform gives them."""
        started_s, started_unix_ns = time.monotonic(), time.time_ns()
        await self.stop_runtime(started_s)
        await self.stop_extensions(reason, started_s, started_unix_ns)

    async def stop_runtime(self, started_s: float) -> None:
        """End the runtime: SIGTERM first only where there are extensions, then SIGKILL."""
        self.shutting_down = True
        self.telemetry.deliver_immediately()
        self.thaw()
        runtime = self.runtime
        if runtime is None:
            return
        if runtime.exit_code is None:
            allowance_s = self._allowance_s() * _RUNTIME_SHARE
            if allowance_s:
                runtime.terminate()
                await self._wait_for_exit(runtime, started_s + allowance_s)
            runtime.kill()
        await self._wait_for_exit(runtime, None)

    async def stop_extensions(self, reason: str, started_s: float, started_unix_ns: int) -> None:
        """Send SHUTDOWN to the extensions, wait for their exits, and kill those that stay."""
        deadline_s = started_s + self._allowance_s()
        event: Event = {
            "eventType": SHUTDOWN,
            "shutdownReason": reason,
            "deadlineMs": started_unix_ns // 1_000_000 + round(self._allowance_s() * 1000),
        }
        await asyncio.gather(
            *(
                self._stop_extension(self.environment.extensions[name], process, event, deadline_s)
                for name, process in self.extensions.items()
            )
        )
        self.environment.closed = True
        self.environment.changes.notify_waiters()
        await asyncio.gather(*self._watchers)
        await self.telemetry.end_environment()

    async def _stop_extension(
        self,
        extension: ExtensionState,
        process: ChildProcess,
        event: Event,
        deadline_s: float,
    ) -> None:
        """An extension without a SHUTDOWN subscription is killed without an event."""
        if SHUTDOWN in extension.events:
            changes = self.environment.changes
            await changes.wait_until(lambda: extension.state in {READY, EXITED}, deadline_s)
            extension.deliver_event(event)
            changes.notify_waiters()
            await self._wait_for_exit(process, deadline_s)
        process.kill()

    async def _wait_for_exit(self, process: ChildProcess, deadline_s: float | None) -> None:
        changes = self.environment.changes
        await changes.wait_until(lambda: process.exit_code is not None, deadline_s)

    def _allowance_s(self) -> float:
        if self.extensions:
            return SHUTDOWN_EXTERNAL_S
        return SHUTDOWN_INTERNAL_S if self.environment.extensions else 0.0
