"""What a run shows in the terminal: log lines, results and traces, as they come."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.json import JSON
from rich.text import Text

from serverless_instrument.local import metric_table, otlp_data, trace_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.local.invocation import InvocationResult
    from serverless_instrument.local.otlp_data import Data

# A pipe has no width; a table is cut beyond this.
_PIPE_WIDTH = 240


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

    def log(self, source: str, text: str) -> None:
        """One log line; an extension's says so."""
        line = Text.from_ansi(text) if self._is_terminal else Text(text)
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

    def telemetry(self, spans: Sequence[Data], log_records: int, metrics: Sequence[Data]) -> None:
        """Every trace that arrived as a waterfall, metrics as a table, then how much there was."""
        width = self._console.width
        for trace in otlp_data.traces(spans):
            self._line(Text())
            self._print(trace_view.waterfall(trace, width))
        if metrics:
            self._line(Text())
            self._print(metric_table.table(metrics))
        self._line(Text())
        told = (
            f"{len(spans)} span(s)",
            f"{log_records} log record(s)",
            f"{len(metrics)} metric(s)",
        )
        counts = f"received: {', '.join(told)}"
        self._line(Text(counts, style="dim"))

    def note(self, text: str) -> None:
        """A remark of ours."""
        self._line(Text(text, style="dim"))

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
