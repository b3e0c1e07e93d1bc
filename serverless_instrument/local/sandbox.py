"""A local Lambda: one function, its APIs and its execution environments."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from serverless_instrument.local.apis import extensions_api, runtime_api
from serverless_instrument.local.apis.api_server import ApiServer
from serverless_instrument.local.apis.telemetry import Telemetry
from serverless_instrument.local.environment.invocation import (
    Invocation,
    InvocationResult,
    new_trace_id,
)
from serverless_instrument.local.environments import Environments
from serverless_instrument.local.function import layer
from serverless_instrument.local.function.config import LocalConfig, PlatformValues, function_arn
from serverless_instrument.local.function.launch_plan import make_launch_plan

if TYPE_CHECKING:
    from types import TracebackType

    from serverless_instrument.local.environment.log_stream import LogRecord
    from serverless_instrument.local.environment.platform_events import Event
    from serverless_instrument.local.function.launch_plan import LaunchPlan

__all__ = ["InvocationResult", "LocalConfig", "LocalLambda"]

# sun_path of unix(7) has 108 bytes; a part of them is for the names below the directory.
_MAX_SCRATCH_BYTES = 70


class LocalLambda:
    """Async context manager; entering it starts the API server alone.

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
        json_logs = config.env.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        self._telemetry = Telemetry(json_logs=json_logs)
        self._environments = Environments(config, self._telemetry, self._make_plan, self._on_log)
        self._token = secrets.token_hex(16)
        self._turn = asyncio.Lock()
        self._phase: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LocalLambda:
        config, current = self.config, self._environments.current
        self._scratch = _make_scratch()
        try:
            self._opt = layer.prepare_layer(
                config.layer, self._scratch, config.python, instrumented=config.instrumented
            )
            self._server = ApiServer(
                [
                    *runtime_api.routes(current),
                    *extensions_api.routes(current),
                    *extensions_api.telemetry_routes(current, self._telemetry),
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
        latest = self._environments.latest
        return latest.runtime.pid if latest and latest.runtime else None

    @property
    def runtime_exit_code(self) -> int | None:
        """Exit code of the process of `runtime_pid`; None while it runs."""
        latest = self._environments.latest
        return latest.runtime.exit_code if latest and latest.runtime else None

    @property
    def forwarder_pid(self) -> int | None:
        """Process id of the forwarder, or of the layer's first extension, that was started last."""
        process = self._environments.extension_process()
        return process.pid if process else None

    @property
    def extension_exit_code(self) -> int | None:
        """Exit code of the process of `forwarder_pid`; None while it runs."""
        process = self._environments.extension_process()
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
            self._phase = asyncio.create_task(
                self._environments.serve_invocation(invocation, answer)
            )
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
        await self._environments.shut_down(reason)

    def _make_plan(self, log_stream: str) -> LaunchPlan:
        platform = PlatformValues(
            api_address=self.api_address,
            opt=self._opt,
            socket_path=str(self._scratch / "socket"),
            metadata_token=self._token,
            log_stream=log_stream,
        )
        return make_launch_plan(self.config, platform, self._base_env)

    def _on_log(self, source: str, record: LogRecord) -> None:
        self.log_lines.append((source, record.text))
        self._telemetry.emit_log_line(source, record)
        if self.config.on_log is not None:
            self.config.on_log(source, record.text)


def _make_scratch() -> Path:
    """A new directory of mode 0700 whose path is short enough for a socket in it."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > _MAX_SCRATCH_BYTES:
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="serverless-instrument-", dir=parent))
