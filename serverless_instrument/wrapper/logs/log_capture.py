"""Capture of what the function logs and prints, each line as it is written.

`log_hook` sees the records of ``logging`` and `output_tee` the written text. Text that is written
while a record is with its handlers belongs to that record and is no line of its own; a record
leaves because such text was written. What a line means is read by the forwarder, which also takes
each as announced: it sends the platform's copy of only those lines that are not.
"""

from __future__ import annotations

import sys
from _thread import _local, get_ident
from _weakref import ref
from time import time_ns

from serverless_instrument.wrapper.logs import log_hook
from serverless_instrument.wrapper.logs.log_exporter import LogExporter
from serverless_instrument.wrapper.logs.output_tee import LineBuffer, OutputTee

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from logging import LogRecord
    from types import ModuleType

    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.records import records
    from serverless_instrument.wrapper.settings import Settings

_STREAMS = ("stdout", "stderr")
# An unfinished line of another thread is sent at the end of an invocation once it is older than
# this, which is more than the time between two writes of one print.
_UNFINISHED_NS = 100_000_000


class _ThreadLines:
    """The unfinished lines of one thread, a buffer for each stream, and when it wrote last."""

    __slots__ = ("buffers", "written_unix_ns")

    def __init__(self) -> None:
        self.buffers = (LineBuffer(), LineBuffer())
        self.written_unix_ns = 0


class _OfThread(_local):
    lines: _ThreadLines | None = None


class LogCapture:
    """Captures the standard streams, ``logging`` and OpenTelemetry's log records.

    Args:
        settings: the runtime side's.
        send: takes whole frames, never blocks.
        warn: writes one line.
    """

    def __init__(
        self, settings: Settings, send: Callable[[bytes], None], warn: Callable[[str], None]
    ) -> None:
        self.handling = log_hook.Handling()
        self._exporter = LogExporter(settings, send)
        self._warn = warn
        self._failed = False
        self._tees: list[OutputTee] = []
        self._reset_buffers()

    def _reset_buffers(self) -> None:
        # As the platform sees them: whole lines of a stream, whichever threads wrote them.
        self._platform_lines = (LineBuffer(), LineBuffer())
        self._of_thread = _OfThread()
        self._threads: dict[int, _ThreadLines] = {}

    def install(self) -> None:
        """Watch the standard streams; `watch_logging` is for the import of logging."""
        for number, name in enumerate(_STREAMS):
            if number and sys.stderr is sys.stdout:
                return
            tee = OutputTee(getattr(sys, name), self._text_callback(number))
            if tee.install():
                self._tees.append(tee)

    def watch_logging(self, module: ModuleType) -> None:
        """Capture the records of `module`, ``logging``, from now on."""
        log_hook.watch_loggers(module, self.handling, self._capture_record, self._keep_formatted)
        log_hook.watch_framed_log(module, self._capture_framed_text)

    def set_invocation(self, invocation: Invocation) -> None:
        """Count what is captured from now on to `invocation`."""
        self._exporter.invocation = invocation

    def after_fork(self) -> None:
        """Forget, in a forked child, the lines that the parent's threads have not finished."""
        for tee in self._tees:
            tee.after_fork()
        self._reset_buffers()

    def _text_callback(self, number: int) -> Callable[[str], None]:
        """The function that sees each text written to stream `number` of `_STREAMS`."""
        handling = self.handling

        def capture_text(text: str) -> None:
            # What we call may write, too: an import under python -v, an object's ``__str__``, a
            # signal handler. Such text gets no digest, so that the forwarder sends it.
            busy = handling.busy
            handling.busy = True
            try:
                lines = self._platform_lines[number].add_text(text)
                if busy:
                    return
                handled = handling.current
                if handled is not None:
                    handled.texts.append(text)
                    handled.lines += lines
                else:
                    self._capture_output(number, text, lines)
            except Exception as error:  # the line is written; only our copy is lost
                self._warn_of(error)
            finally:
                handling.busy = busy

        return capture_text

    def _capture_output(self, number: int, text: str, platform_lines: Sequence[str]) -> None:
        own = self._of_thread.lines or self._add_thread()
        # A text that a handler has batched may have several lines, and its line feed come later.
        buffer = own.buffers[number]
        if not buffer and self._exporter.export_kept(text, number, platform_lines):
            return
        lines = buffer.add_text(text)
        if lines:
            self._exporter.export_lines(lines, number, platform_lines)
        else:
            own.written_unix_ns = time_ns()
            if platform_lines:
                self._exporter.export_announcement(platform_lines)

    def _capture_framed_text(self, text: str) -> None:
        handling = self.handling
        if handling.busy:  # as above
            return
        handling.busy = True
        try:
            handled = handling.current
            if handled is not None:
                handled.texts.append(text)
                handled.lines.append(text)
                handled.framed = True
            else:
                self._exporter.export_framed_text(text)
        except Exception as error:  # as above
            self._warn_of(error)
        finally:
            handling.busy = False

    def _capture_record(self, handled: log_hook.Handled, later: bool) -> None:
        handling = self.handling
        if handling.busy:  # a record of a signal handler's, or of an object's ``__str__``: as above
            return
        handling.busy = True
        try:
            if handled.texts:
                # A QueueListener hands one record to several handlers.
                told = handling.told
                again = later and told is not None and told() is handled.record
                handling.told = ref(handled.record) if later else None
                self._exporter.export_logging_record(handled, again=again)
            elif handled.kept:
                self._exporter.keep_formatted(handled.before, handled.record.__dict__, handled.kept)
        except Exception as error:  # as above
            self._warn_of(error)
        finally:
            handling.busy = False

    def _keep_formatted(self, record: LogRecord, text: object) -> None:
        handling = self.handling
        if handling.busy or type(text) is not str or not text:
            return
        handling.busy = True
        try:
            self._exporter.keep_formatted(record.__dict__, record.__dict__, text)
        except Exception as error:  # as above
            self._warn_of(error)
        finally:
            handling.busy = False

    def capture_otel_record(self, scope: bytes, record: records.LogRecord) -> None:
        """Send a record of OpenTelemetry's, unless a handler of ``logging`` has made it.

        In that case the record of ``logging`` is sent.
        """
        if self.handling.current is None:
            self._exporter.export_record(scope, record)

    def _add_thread(self) -> _ThreadLines:
        lines = self._of_thread.lines = _ThreadLines()
        ident = get_ident()
        former = self._threads.get(ident)
        self._threads[ident] = lines
        if former is not None:  # of a thread that has ended, whose number is used again
            self._export_unfinished(former)
        return lines

    def _export_unfinished(self, lines: _ThreadLines) -> None:
        for number, buffer in enumerate(lines.buffers):
            text = buffer.take_unfinished_line()
            if text:
                self._exporter.export_lines([text], number, [])

    def flush_lines(self) -> None:
        """Send the lines without a line feed so far, at the end of an invocation."""
        self.handling.busy = True
        try:
            own, now_unix_ns = get_ident(), time_ns()
            for ident, lines in list(self._threads.items()):
                alive = ident == own or ident in sys._current_frames()
                is_old = now_unix_ns - lines.written_unix_ns > _UNFINISHED_NS
                if ident == own or not alive or is_old:
                    self._export_unfinished(lines)
                if not alive:
                    del self._threads[ident]
            # The platform also cuts a line at the end of an invocation.
            unfinished = [buffer.unfinished_line() for buffer in self._platform_lines]
            self._exporter.export_announcement([text for text in unfinished if text])
        except Exception as error:  # as above
            self._warn_of(error)
        finally:
            self.handling.busy = False

    def _warn_of(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            self._warn(f"a log line was not captured: {type(error).__name__}: {error}")
