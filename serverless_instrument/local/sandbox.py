"""A local Lambda: one function, its runtime and extensions, invoked from here."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from serverless_instrument.local import layer
from serverless_instrument.local.apis import extensions_api, runtime_api
from serverless_instrument.local.apis.api_server import ApiServer
from serverless_instrument.local.apis.telemetry import Telemetry
from serverless_instrument.local.changes import Changes
from serverless_instrument.local.config import (
    ACCOUNT_ID,
    FUNCTION_VERSION,
    LocalConfig,
    Place,
    function_arn,
    function_name,
)
from serverless_instrument.local.environment.environment import ExecutionEnvironment
from serverless_instrument.local.environment.invocation import (
    Invocation,
    InvocationResult,
    new_trace_id,
)
from serverless_instrument.local.environment.invoke_phase import InvokePhase
from serverless_instrument.local.environment.launch_plan import make_plan
from serverless_instrument.local.environment.lifecycle import Lifecycle
from serverless_instrument.local.environment.sandbox_state import RefusedError

if TYPE_CHECKING:
    from types import TracebackType

    from serverless_instrument.local.environment.log_stream import LogRecord
    from serverless_instrument.local.environment.platform_events import Event
    from serverless_instrument.local.environment.processes import ChildProcess

__all__ = ["InvocationResult", "LocalConfig", "LocalLambda"]

# sun_path has 108 bytes; the rest of the path needs a few.
_MAX_SCRATCH_BYTES = 70


class LocalLambda:
    """Async context manager; entering starts nothing but the API servers.

    The execution environment starts with the first `invoke`, as on-demand functions do.

    Attributes:
        log_lines: (source, text) of every line so far; source is ``function`` or ``extension``.
        api_address: ``127.0.0.1:PORT`` of the Runtime API.

    Raises:
        layer.LayerError: on entering, when the layer cannot be used.
    """

    def __init__(self, config: LocalConfig) -> None:
        self.config = config
        self.log_lines: list[tuple[str, str]] = []
        self.api_address = ""
        self._base_env = dict(os.environ if config.base_env is None else config.base_env)
        self._changes = Changes()
        self._turn = asyncio.Lock()
        self._ready: Lifecycle | None = None
        self._last: Lifecycle | None = None
        self._phase: asyncio.Task[None] | None = None
        self._cold = True
        self._log_stream = ""

    async def __aenter__(self) -> LocalLambda:
        config = self.config
        json_logs = config.env.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        self._telemetry = Telemetry(json_logs=json_logs)
        self._token = secrets.token_hex(16)
        self._scratch = _make_scratch()
        try:
            self._opt = layer.prepare(
                config.layer, self._scratch, config.python, instrumented=config.instrumented
            )
            self._server = ApiServer(
                [
                    *runtime_api.routes(self._environment),
                    *extensions_api.routes(self._environment),
                    *extensions_api.telemetry_routes(self._environment, self._telemetry),
                    extensions_api.metadata_route(self._token),
                ]
            )
            await self._server.start()
        except BaseException:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        self.api_address = self._server.address
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._phase is not None:
                self._phase.cancel()
                await asyncio.wait((self._phase,))
            await self.shutdown()
        finally:
            await self._telemetry.close()
            await self._server.stop()
            shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def runtime_pid(self) -> int | None:
        """Process id of the runtime process that was started last."""
        return self._last.runtime.pid if self._last and self._last.runtime else None

    @property
    def runtime_exit_code(self) -> int | None:
        """Exit code of the process of `runtime_pid`; None while it runs."""
        return self._last.runtime.exit_code if self._last and self._last.runtime else None

    @property
    def forwarder_pid(self) -> int | None:
        """Process id of the forwarder, or of the layer's first extension, that was started last."""
        process = self._extension()
        return process.pid if process else None

    @property
    def extension_exit_code(self) -> int | None:
        """Exit code of the process of `forwarder_pid`; None while it runs."""
        process = self._extension()
        return process.exit_code if process else None

    @property
    def telemetry(self) -> list[Event]:
        """Every Telemetry API event so far, delivered or not."""
        return self._telemetry.events

    async def invoke(
        self, event: bytes, *, trace_id: str | None = None, client_context: str | None = None
    ) -> InvocationResult:
        """Invoke the function; returns as soon as the runtime has answered.

        The invocation goes on until the extensions have called /next; the one after it waits
        for that (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).

        Args:
            event: goes to the runtime byte for byte.
            trace_id: the trace header to send; a fresh one if None.
            client_context: JSON for ``Lambda-Runtime-Client-Context``.
        """
        async with self._turn:
            await self.settled()
            invocation = Invocation(
                event=event,
                function_arn=function_arn(self.config, self._base_env),
                trace_id=trace_id or new_trace_id(time.time()),
                client_context=client_context,
            )
            answer: asyncio.Future[InvocationResult] = asyncio.get_running_loop().create_future()
            self._phase = asyncio.create_task(self._serve(invocation, answer))
            await asyncio.wait((self._phase, answer), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                await self._phase
            return await answer

    async def settled(self) -> None:
        """Wait until the last invocation has ended and its figures are final."""
        if self._phase is not None:
            await self._phase

    async def shutdown(self, reason: str = "spindown") -> None:
        """End the execution environment, if there is one, as the platform does."""
        if self._phase is not None:
            await asyncio.wait((self._phase,))
        await self._end(reason)
        self._cold = True

    async def _end(self, reason: str) -> None:
        self._ready = None
        if self._last is not None and not self._last.environment.closed:
            await self._last.shut_down(reason)

    async def _serve(
        self, invocation: Invocation, answer: asyncio.Future[InvocationResult]
    ) -> None:
        phase = InvokePhase(self.config, self._telemetry, invocation, answer)
        ready, self._ready = self._ready, None
        if ready is not None and ready.broken():
            # A process ended between two invocations.
            await self._end("failure")
            ready = None
        if ready is None:
            ready = await self._start(phase)
        else:
            ready.thaw()
        if ready is not None and await phase.run(ready):
            self._ready = ready

    async def _start(self, phase: InvokePhase) -> Lifecycle | None:
        """A new environment, initialised; None when the invocation has failed with it.

        The init phase comes before the invocation; when it fails, or after a reset, the
        environment is initialised in the invoke phase, on the invocation's time.
        """
        if self._cold:
            self._cold = False
            # A reset keeps the execution environment's log stream, as it keeps its /tmp.
            today = time.strftime("%Y/%m/%d", time.gmtime())
            self._log_stream = f"{today}/[{FUNCTION_VERSION}]{secrets.token_hex(16)}"
            first = self._new_lifecycle()
            if await phase.initialise(first, "init"):
                return first
        again = self._new_lifecycle()
        return again if await phase.initialise(again, "invoke") else None

    def _new_lifecycle(self) -> Lifecycle:
        config = self.config
        place = Place(
            api_address=self._server.address,
            opt=self._opt,
            socket_path=str(self._scratch / "socket"),
            metadata_token=self._token,
            log_stream=self._log_stream,
        )
        plan = make_plan(config, place, self._base_env, self._on_log)
        function = {
            "functionName": function_name(config),
            "functionVersion": FUNCTION_VERSION,
            "handler": config.handler,
        }
        environment = ExecutionEnvironment(function, ACCOUNT_ID, self._changes)
        self._last = Lifecycle(
            plan,
            environment,
            self._telemetry,
            memory_limit_mb=config.memory_mb if config.enforce_memory else 0,
        )
        return self._last

    def _environment(self) -> ExecutionEnvironment:
        """The environment that a request on the APIs is about."""
        if self._last is None or self._last.environment.closed:
            raise RefusedError("Sandbox.Closed", "there is no execution environment", 500)
        return self._last.environment

    def _extension(self) -> ChildProcess | None:
        processes = self._last.extensions if self._last else {}
        return processes.get(layer.WRAPPER) or next(iter(processes.values()), None)

    def _on_log(self, source: str, record: LogRecord) -> None:
        self.log_lines.append((source, record.text))
        self._telemetry.log(source, record)
        if self.config.on_log is not None:
            self.config.on_log(source, record.text)


def _make_scratch() -> Path:
    """A fresh directory of mode 0700, its path short enough for a socket's."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > _MAX_SCRATCH_BYTES:
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="serverless-instrument-", dir=parent))
