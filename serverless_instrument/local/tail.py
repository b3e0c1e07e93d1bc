"""``serverless-instrument tail``: an OTLP/HTTP receiver that prints telemetry as it arrives."""

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


__all__ = ["OutputError", "PortError", "TailOptions", "execute_tail"]


class PortError(Exception):
    """The receiver cannot listen on the address."""


@dataclass(frozen=True)
class TailOptions:
    """Options of the command line."""

    host: str
    port: int
    wanted: Filter
    as_json: bool


def execute_tail(tail: TailOptions) -> int:
    """Print telemetry until a signal, or until the reader of the pipe has left.

    Returns:
        The exit code: 128 + signal, or 0 where the reader of a pipe has left.

    Raises:
        PortError: the port is in use, or needs privileges.
        OutputError: standard output cannot be written to.
    """
    return asyncio.run(_run(tail))


async def _run(tail: TailOptions) -> int:
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, 128 + number)
    view = _LiveView(tail, Terminal(sys.stdout))
    receiver = OtlpReceiver(tail.host, tail.port, on_request=view.show_request)
    try:
        await receiver.__aenter__()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise PortError("it is in use" if taken else error.strerror or str(error)) from None
    try:
        Terminal(sys.stderr).print_note(
            f"listening on {receiver.url}: set OTEL_EXPORTER_OTLP_ENDPOINT to it"
        )
        while not stopped.done():
            view.show_closed_traces()
            if view.terminal.failure is not None:
                view.terminal.raise_failure()
                return 0
            await view.wait_for_change(stopped)
        view.show_closed_traces(everything=True)
        return stopped.result()
    finally:
        await receiver.__aexit__(None, None, None)


class _LiveView:
    """Prints what the receiver passes on, and each trace once it is closed."""

    def __init__(self, tail: TailOptions, terminal: Terminal) -> None:
        self.terminal = terminal
        self._tail = tail
        self._open = OpenTraces()
        self._changed = asyncio.Event()

    def show_request(self, request: Message) -> None:
        """Print the log records of an export request, and its spans when their trace is closed."""
        if isinstance(request, ExportTraceServiceRequest):
            for item in otlp_data.each_span(request):
                self._show_span(otlp_data.span(*item))
        elif isinstance(request, ExportLogsServiceRequest):
            for record in otlp_data.each_log_record(request):
                self._show_record(otlp_data.log_record(*record))
        self._changed.set()

    def _show_span(self, span: otlp_data.Data) -> None:
        if not self._tail.as_json:
            self._open.add_span(span, time.monotonic())
        elif self._tail.wanted.shows_trace([span]):
            self.terminal.print_json_line({"signal": "span", **span})

    def _show_record(self, record: otlp_data.Data) -> None:
        if not self._tail.wanted.shows_record(record):
            return
        if self._tail.as_json:
            self.terminal.print_json_line({"signal": "log", **record})
        else:
            self.terminal.print_log_record(record)

    def show_closed_traces(self, *, everything: bool = False) -> None:
        """Print the traces that are closed, or all with `everything`."""
        for trace in self._open.take_closed(float("inf") if everything else time.monotonic()):
            if self._tail.wanted.shows_trace(trace):
                self.terminal.print_trace(trace)

    async def wait_for_change(self, stopped: asyncio.Future[int]) -> None:
        """Wait for telemetry, for a trace to close, or for `stopped`."""
        self._changed.clear()
        due_s = self._open.next_close_s()
        came = asyncio.ensure_future(self._changed.wait())
        wait_s = None if due_s is None else max(due_s - time.monotonic(), 0)
        await asyncio.wait((came, stopped), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        came.cancel()
