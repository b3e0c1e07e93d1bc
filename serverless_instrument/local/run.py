"""``serverless-instrument run``: invoke a function in a local Lambda and show the results."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serverless_instrument.local import report
from serverless_instrument.local.otlp_receiver import OtlpReceiver
from serverless_instrument.local.sandbox import LocalLambda
from serverless_instrument.local.view import otlp_data
from serverless_instrument.local.view.terminal import OutputError, Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.local.environment.invocation import InvocationResult
    from serverless_instrument.local.function.config import LocalConfig

__all__ = ["ENDPOINT", "OutputError", "RunOptions", "execute_run", "without_other_endpoints"]

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

# A signal's own endpoint, set in the developer's shell, would take precedence over the endpoint of
# this run. Headers, certificates and the rest stay where the endpoint is the user's.
_SIGNAL_ENDPOINTS = tuple(
    f"OTEL_EXPORTER_OTLP_{signal_name}_ENDPOINT" for signal_name in ("TRACES", "LOGS", "METRICS")
)
_OTLP_PREFIX = "OTEL_EXPORTER_OTLP_"


@dataclass(frozen=True)
class RunOptions:
    """Options of the command line; `config.env` and `config.base_env` as given."""

    config: LocalConfig
    event: bytes
    invocations: int
    endpoint: str | None
    as_json: bool


def execute_run(run: RunOptions) -> int:
    """Run to the end. Returns the exit code: 0, or 1 if an invocation failed, or 128+signal.

    Raises:
        LayerError: the layer cannot be used.
        OutputError: standard output cannot be written to.
    """
    return asyncio.run(_until_signal(run))


async def _until_signal(run: RunOptions) -> int:
    """Run; SIGINT, SIGTERM and SIGHUP end the environment in order and then the command."""
    task = asyncio.ensure_future(_run(run))
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]


async def _run(run: RunOptions) -> int:
    terminal = Terminal(sys.stdout)
    async with contextlib.AsyncExitStack() as stack:
        receiver: OtlpReceiver | None = None
        endpoint = run.config.env.get(ENDPOINT) or run.endpoint
        if not endpoint:
            receiver = await stack.enter_async_context(OtlpReceiver())
        url = receiver.url if receiver else endpoint or ""
        config = dataclasses.replace(
            run.config,
            env={**run.config.env, ENDPOINT: url},
            base_env=without_other_endpoints(
                run.config.base_env or {}, keep_settings=receiver is None
            ),
            on_log=None if run.as_json else terminal.print_log_line,
        )
        sandbox = await stack.enter_async_context(LocalLambda(config))
        show_traces = _TracesSoFar(receiver)
        results = await _invoke(run, sandbox, terminal, show_traces)
        await sandbox.shutdown()
        if run.as_json:
            terminal.print_json(_make_document(config, sandbox, results, receiver, endpoint))
        elif receiver is not None:
            show_traces(terminal)
            metrics = [otlp_data.metric(*item) for item in receiver.metric_points()]
            terminal.print_metrics(metrics)
            terminal.print_counts(len(receiver.spans()), len(receiver.log_records()), len(metrics))
        else:
            terminal.print_note(f"telemetry went to {endpoint}")
    terminal.raise_failure()
    return 1 if any(has_failed(result) for result in results) else 0


class _TracesSoFar:
    """Prints the traces that arrived since the last call."""

    def __init__(self, receiver: OtlpReceiver | None) -> None:
        self._receiver = receiver
        self._shown = 0

    def __call__(self, terminal: Terminal) -> None:
        if self._receiver is not None:
            spans = self._receiver.spans()
            terminal.print_traces([otlp_data.span(*item) for item in spans[self._shown :]])
            self._shown = len(spans)


async def _invoke(
    run: RunOptions, sandbox: LocalLambda, terminal: Terminal, show_traces: _TracesSoFar
) -> list[InvocationResult]:
    results = []
    for _ in range(run.invocations):
        result = await sandbox.invoke(run.event)
        results.append(result)
        if not run.as_json:
            terminal.print_response(result)
        await sandbox.settled()
        if not run.as_json:
            terminal.print_report(result)
            show_traces(terminal)
    return results


def has_failed(result: InvocationResult) -> bool:
    """True for an error, a timeout or a crash, one after the answer included."""
    return result.error or result.status != "success"


def without_other_endpoints(base_env: Mapping[str, str], *, keep_settings: bool) -> dict[str, str]:
    """The developer's environment without settings that would send this run's telemetry elsewhere.

    With `keep_settings` only endpoints are removed. Without, for the embedded receiver, every
    exporter setting is: headers and certificates are meant for another backend.
    """

    def drop(name: str) -> bool:
        return name in _SIGNAL_ENDPOINTS or (not keep_settings and name.startswith(_OTLP_PREFIX))

    return {name: value for name, value in base_env.items() if not drop(name)}


def _make_document(
    config: LocalConfig,
    sandbox: LocalLambda,
    results: list[InvocationResult],
    receiver: OtlpReceiver | None,
    endpoint: str | None,
) -> otlp_data.Data:
    arrived = receiver or OtlpReceiver()
    return {
        "function": report.function(config),
        "invocations": [report.invocation(result) for result in results],
        "logs": report.logs(sandbox.log_lines),
        "endpoint": endpoint,
        "spans": [otlp_data.span(*item) for item in arrived.spans()],
        "logRecords": [otlp_data.log_record(*item) for item in arrived.log_records()],
        "metrics": [otlp_data.metric(*item) for item in arrived.metric_points()],
    }
