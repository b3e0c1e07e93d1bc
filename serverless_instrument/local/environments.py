"""The execution environments of one function: each serves invocations until it has to be reset."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from serverless_instrument.local.environment.environment import ExecutionEnvironment
from serverless_instrument.local.environment.invoke_phase import InvokePhase
from serverless_instrument.local.environment.lifecycle import Lifecycle
from serverless_instrument.local.environment.sandbox_state import RefusedError
from serverless_instrument.local.function.changes import Changes
from serverless_instrument.local.function.config import (
    ACCOUNT_ID,
    FUNCTION_VERSION,
    LocalConfig,
    function_name,
)
from serverless_instrument.local.function.layer import WRAPPER

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from serverless_instrument.local.environment.invocation import Invocation, InvocationResult
    from serverless_instrument.local.environment.lifecycle import OnLog
    from serverless_instrument.local.environment.processes import ChildProcess
    from serverless_instrument.local.environment.telemetry_sink import TelemetrySink
    from serverless_instrument.local.function.launch_plan import LaunchPlan


class Environments:
    """Starts an environment when an invocation needs one, and keeps it while it works.

    Attributes:
        latest: the environment that was started last, whether or not it still runs.
    """

    def __init__(
        self,
        config: LocalConfig,
        telemetry: TelemetrySink,
        make_plan: Callable[[str], LaunchPlan],
        on_log: OnLog,
    ) -> None:
        """`make_plan` takes the name of the environment's log stream."""
        self.latest: Lifecycle | None = None
        self._config = config
        self._telemetry = telemetry
        self._make_plan = make_plan
        self._on_log = on_log
        self._changes = Changes()
        self._ready: Lifecycle | None = None
        self._cold = True
        self._log_stream = ""

    def current(self) -> ExecutionEnvironment:
        """The environment that a request on the APIs is about.

        Raises:
            RefusedError: none runs.
        """
        if self.latest is None or self.latest.environment.closed:
            raise RefusedError("Sandbox.Closed", "there is no execution environment", 500)
        return self.latest.environment

    def extension_process(self) -> ChildProcess | None:
        """The latest environment's forwarder, or its layer's first extension."""
        processes = self.latest.extensions if self.latest else {}
        return processes.get(WRAPPER) or next(iter(processes.values()), None)

    async def serve_invocation(
        self, invocation: Invocation, answer: asyncio.Future[InvocationResult]
    ) -> None:
        """Take `invocation` to its end; `answer` is set as soon as the caller has one."""
        phase = InvokePhase(self._config, self._telemetry, invocation, answer)
        ready, self._ready = self._ready, None
        if ready is not None and ready.has_failed():
            # A process ended between two invocations.
            await self._end_environment("failure")
            ready = None
        if ready is None:
            ready = await self._start_environment(phase)
        else:
            ready.thaw()
        if ready is not None and await phase.run(ready):
            self._ready = ready

    async def shut_down(self, reason: str) -> None:
        """End the environment, if there is one; the next invocation is a cold start."""
        await self._end_environment(reason)
        self._cold = True

    async def _end_environment(self, reason: str) -> None:
        self._ready = None
        if self.latest is not None and not self.latest.environment.closed:
            await self.latest.shut_down(reason)

    async def _start_environment(self, phase: InvokePhase) -> Lifecycle | None:
        """A new environment, initialized; None when the invocation has failed with it.

        The init phase comes before the invocation; when it fails, or after a reset, the
        environment is initialized in the invoke phase, on the invocation's time.
        """
        if self._cold:
            self._cold = False
            # A reset keeps the execution environment's log stream, as it keeps its /tmp.
            today = time.strftime("%Y/%m/%d", time.gmtime())
            self._log_stream = f"{today}/[{FUNCTION_VERSION}]{secrets.token_hex(16)}"
            first = self._new_lifecycle()
            if await phase.initialize(first, "init"):
                return first
        again = self._new_lifecycle()
        return again if await phase.initialize(again, "invoke") else None

    def _new_lifecycle(self) -> Lifecycle:
        config = self._config
        plan = self._make_plan(self._log_stream)
        function = {
            "functionName": function_name(config),
            "functionVersion": FUNCTION_VERSION,
            "handler": config.handler,
        }
        self.latest = Lifecycle(
            plan,
            ExecutionEnvironment(function, ACCOUNT_ID, self._changes),
            self._telemetry,
            self._on_log,
            memory_limit_mb=config.memory_mb if config.enforce_memory else 0,
        )
        return self.latest
