"""What is shown in the terminal: log lines, results and traces, as they come."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.json import JSON
from rich.text import Text

from serverless_instrument.local.view import levels, metric_table, otlp_data, trace_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.local.environment.invocation import InvocationResult
    from serverless_instrument.local.view.otlp_data import Data

# A pipe has no width; a table is cut beyond this.
_PIPE_WIDTH = 240
_SPAN_START = "serverless_instrument.span.start"


class OutputError(Exception):
    """Standard output cannot be written to, and not because its reader has left."""


class Terminal:
    """Writes to `file`; once that fails it goes quiet, and the run still ends in order.

    Attributes:
        failure: why nothing is written any more; `BrokenPipeError` where the reader has left.
    """

    def __init__(self, file: TextIO) -> None:
        if isinstance(file, io.TextIOWrapper):
            # A bar or a log line that the terminal's encoding lacks must not end the run.
            file.reconfigure(errors="backslashreplace")
        self._file = file
        self._is_terminal = file.isatty()
        self._console = Console(
            file=file,
            width=None if self._is_terminal else _PIPE_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self.failure: OSError | None = None

    def check(self) -> None:
        """Raise `OutputError` if writing has failed."""
        if self.failure is not None and not isinstance(self.failure, BrokenPipeError):
            raise OutputError(f"standard output cannot be written: {self.failure.strerror}")

    def log(self, source: str, text: str) -> None:
        """One log line, coloured by its level; an extension's says so."""
        line = Text.from_ansi(text) if self._is_terminal else Text(text)
        line.style = levels.style(levels.of_line(text))
        if source != "function":
            line = Text(f"[{source}] ", style="dim").append_text(line)
        self._line(line)

    def answer(self, result: InvocationResult) -> None:
        """The function's result or its error document: to people laid out, to a pipe verbatim."""
        text = result.response.decode("utf-8", "replace")
        label = Text("error" if result.error else "response", style="bold")
        label.stylize("red" if result.error else "green")
        self._line(label)
        if self._is_terminal:
            try:
                self._print(JSON(text, highlight=True))
                return
            except json.JSONDecodeError:
                pass
        self._line(Text(text))

    def figures(self, result: InvocationResult) -> None:
        """What the platform reports about an invocation that has ended."""
        parts = [
            result.status,
            f"request {result.request_id}",
            f"duration {result.duration_ms:.2f} ms",
            f"billed {result.billed_duration_ms} ms",
        ]
        if result.init_duration_ms is not None:
            parts.append(f"init {result.init_duration_ms:.2f} ms")
        parts.append(f"memory {result.max_memory_used_mb} MB")
        self._line(Text("  ".join(parts), style="dim"))

    def record(self, record: Data) -> None:
        """A log record as `otlp_data.log_record` makes it: time, level, function, text, trace."""
        time_unix_ns = record["timeUnixNano"] or record["observedTimeUnixNano"]
        moment = datetime.fromtimestamp(time_unix_ns / 1e9).astimezone()
        severity, body = record["severityNumber"], record["body"]
        if not isinstance(body, str):
            body = json.dumps(body, ensure_ascii=False)
        if record["eventName"] == _SPAN_START:
            body = f"▶ {body}"
        style = levels.style(severity)
        parts = [
            Text(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} ", style="dim"),
            Text(f"{levels.name(severity):<5} ", style=style),
            Text(f"{record['resource'].get('service.name', '')} ", style="dim"),
            Text.from_ansi(body, style=style) if self._is_terminal else Text(body),
        ]
        if record["traceId"]:
            parts.append(Text(f"  {record['traceId'][:8]}", style="dim"))
        stack = record["attributes"].get("exception.stacktrace")
        if isinstance(stack, str) and stack not in body:
            parts.append(Text("\n" + stack.rstrip("\n"), style="dim"))
        self._line(Text.assemble(*parts))

    def trace(self, spans: Sequence[Data]) -> None:
        """A trace as a waterfall, after an empty line."""
        self._line(Text())
        self._print(trace_view.waterfall(spans, self._console.width))

    def traces(self, spans: Sequence[Data]) -> None:
        """Every trace among `spans`."""
        for trace in otlp_data.traces(spans):
            self.trace(trace)

    def metrics(self, metrics: Sequence[Data]) -> None:
        """Metrics, as `otlp_data.metric` makes them, as a table."""
        table = metric_table.table(metrics, self._console.width)
        if table.row_count:
            self._line(Text())
            self._print(table)

    def counts(self, spans: int, log_records: int, metrics: int) -> None:
        """How much arrived."""
        self._line(Text())
        counts = f"received: {spans} span(s), {log_records} log record(s), {metrics} metric(s)"
        self._line(Text(counts, style="dim"))

    def note(self, text: str) -> None:
        """A remark of ours."""
        self._line(Text(text, style="dim"))

    def line_document(self, document: Any) -> None:
        """One JSON document on one line."""
        self._write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")

    def document(self, document: Any) -> None:
        """One JSON document."""
        self._write(json.dumps(document, indent=2) + "\n")

    def _line(self, text: Text) -> None:
        """One line, never wrapped by us; to a pipe exactly the characters it has."""
        if self._is_terminal:
            self._print(text, soft_wrap=True)
        else:
            self._write(text.plain + "\n")

    def _print(self, renderable: RenderableType, *, soft_wrap: bool = False) -> None:
        with self._console.capture() as capture:
            self._console.print(renderable, soft_wrap=soft_wrap)
        text = capture.get()
        if not self._is_terminal:
            # Tables are padded to a rectangle; a pipe's reader has no use for that.
            text = "".join(line.rstrip() + "\n" for line in text.splitlines())
        self._write(text)

    def _write(self, text: str) -> None:
        if self.failure is not None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self.failure = error
            silence(self._file)


def silence(file: TextIO) -> None:
    """Point `file` at nothing, so that the interpreter's last flush does not fail.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    if file in {sys.stdout, sys.stderr}:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, file.fileno())
        os.close(nothing)
