"""The terminal: log lines, results, traces and metrics, printed as they arrive."""

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

# A pipe has no width; tables for one are this wide at most.
_PIPE_WIDTH = 240
_SPAN_START = "serverless_instrument.span.start"


class OutputError(Exception):
    """Standard output cannot be written to, for another reason than a closed pipe."""


class Terminal:
    """Writes to `file`; after a failed write nothing more is written, so the run ends in order.

    Attributes:
        failure: the error of a failed write; `BrokenPipeError` where the pipe is closed.
    """

    def __init__(self, file: TextIO) -> None:
        if isinstance(file, io.TextIOWrapper):
            # A character that the terminal's encoding lacks must not end the run.
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

    def raise_failure(self) -> None:
        """Raise `OutputError` if writing has failed."""
        if self.failure is not None and not isinstance(self.failure, BrokenPipeError):
            raise OutputError(f"standard output cannot be written: {self.failure.strerror}")

    def print_log_line(self, source: str, text: str) -> None:
        """One log line, coloured by its level, an extension's with its source."""
        line = Text.from_ansi(text) if self._is_terminal else Text(text)
        line.style = levels.style(levels.severity_of_line(text))
        if source != "function":
            line = Text(f"[{source}] ", style="dim").append_text(line)
        self._line(line)

    def print_response(self, result: InvocationResult) -> None:
        """The result or error document, formatted for a terminal, verbatim for a pipe."""
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

    def print_report(self, result: InvocationResult) -> None:
        """The figures of ``platform.report`` of an invocation that has ended."""
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

    def print_log_record(self, record: Data) -> None:
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

    def print_trace(self, spans: Sequence[Data]) -> None:
        """A trace as a waterfall, after an empty line."""
        self._line(Text())
        self._print(trace_view.waterfall(spans, self._console.width))

    def print_traces(self, spans: Sequence[Data]) -> None:
        """Every trace among `spans`."""
        for trace in otlp_data.traces(spans):
            self.print_trace(trace)

    def print_metrics(self, metrics: Sequence[Data]) -> None:
        """Metrics, as `otlp_data.metric` makes them, as a table."""
        table = metric_table.make_table(metrics, self._console.width)
        if table.row_count:
            self._line(Text())
            self._print(table)

    def print_counts(self, spans: int, log_records: int, metrics: int) -> None:
        """The numbers of spans, log records and metrics that arrived."""
        self._line(Text())
        counts = f"received: {spans} span(s), {log_records} log record(s), {metrics} metric(s)"
        self._line(Text(counts, style="dim"))

    def print_note(self, text: str) -> None:
        """A line of the command itself."""
        self._line(Text(text, style="dim"))

    def print_json_line(self, document: Any) -> None:
        """One JSON document on one line."""
        self._write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")

    def print_json(self, document: Any) -> None:
        """One JSON document."""
        self._write(json.dumps(document, indent=2) + "\n")

    def _line(self, text: Text) -> None:
        """One line without wrapping; for a pipe exactly its characters."""
        if self._is_terminal:
            self._print(text, soft_wrap=True)
        else:
            self._write(text.plain + "\n")

    def _print(self, renderable: RenderableType, *, soft_wrap: bool = False) -> None:
        with self._console.capture() as capture:
            self._console.print(renderable, soft_wrap=soft_wrap)
        text = capture.get()
        if not self._is_terminal:
            # Rich pads tables with spaces; a pipe gets none.
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
            redirect_to_null(self._file)


def redirect_to_null(file: TextIO) -> None:
    """Redirect `file` to /dev/null, so that the interpreter's last flush does not fail.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    if file in {sys.stdout, sys.stderr}:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, file.fileno())
        os.close(nothing)
