"""``serverless-instrument tail``: an OTLP/HTTP receiver that shows what comes as it comes."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serverless_instrument.local.otlp_receiver import OtlpReceiver
from serverless_instrument.local.view import otlp_data
from serverless_instrument.local.view.live import OpenTraces
from serverless_instrument.local.view.terminal import OutputError, Terminal

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from serverless_instrument.local.view.live import Filter


__all__ = ["OutputError", "PortError", "Tail", "execute"]


class PortError(Exception):
    """The address cannot be listened on."""


@dataclass(frozen=True)
class Tail:
    """What the command line asks for."""

    host: str
    port: int
    wanted: Filter
    as_json: bool


def execute(tail: Tail) -> int:
    """Show telemetry until interrupted or until nobody reads it.

    Returns:
        The exit code: 128 + signal, or 0 where the reader of a pipe has left.

    Raises:
        PortError: the port is taken, or not ours to take.
        OutputError: standard output cannot be written to.
    """
    return asyncio.run(_run(tail))


async def _run(tail: Tail) -> int:
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, 128 + number)
    view = _View(tail, Terminal(sys.stdout))
    receiver = OtlpReceiver(tail.host, tail.port, on_request=view.received)
    try:
        await receiver.__aenter__()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise PortError("it is in use" if taken else error.strerror or str(error)) from None
    try:
        Terminal(sys.stderr).note(
            f"listening on {receiver.url}: set OTEL_EXPORTER_OTLP_ENDPOINT to it"
        )
        while not stopped.done():
            view.close_traces()
            if view.terminal.failure is not None:
                view.terminal.check()
                return 0
            await view.something(stopped)
        view.close_traces(everything=True)
        return stopped.result()
    finally:
        await receiver.__aexit__(None, None, None)


class _View:
    def __init__(self, tail: Tail, terminal: Terminal) -> None:
        self.terminal = terminal
        self._tail = tail
        self._open = OpenTraces()
        self._came = asyncio.Event()

    def received(self, request: Message) -> None:
        """An export request came."""
        if isinstance(request, ExportTraceServiceRequest):
            for item in otlp_data.each_span(request):
                self._span(otlp_data.span(*item))
        elif isinstance(request, ExportLogsServiceRequest):
            for record in otlp_data.each_log_record(request):
                self._record(otlp_data.log_record(*record))
        self._came.set()

    def _span(self, span: otlp_data.Data) -> None:
        if not self._tail.as_json:
            self._open.add(span, time.monotonic())
        elif self._tail.wanted.shows_trace([span]):
            self.terminal.line_document({"signal": "span", **span})

    def _record(self, record: otlp_data.Data) -> None:
        if not self._tail.wanted.shows_record(record):
            return
        if self._tail.as_json:
            self.terminal.line_document({"signal": "log", **record})
        else:
            self.terminal.record(record)

    def close_traces(self, *, everything: bool = False) -> None:
        """Draw the traces that are closed."""
        for trace in self._open.take(float("inf") if everything else time.monotonic()):
            if self._tail.wanted.shows_trace(trace):
                self.terminal.trace(trace)

    async def something(self, stopped: asyncio.Future[int]) -> None:
        """Wait for telemetry, for a trace to close, or for the end."""
        self._came.clear()
        due_s = self._open.due_s()
        came = asyncio.ensure_future(self._came.wait())
        wait_s = None if due_s is None else max(due_s - time.monotonic(), 0)
        await asyncio.wait((came, stopped), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        came.cancel()
