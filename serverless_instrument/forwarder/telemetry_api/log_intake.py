"""Lines and platform events to log records in the batch; pure."""

from __future__ import annotations

from binascii import crc32

from serverless_instrument import wire
from serverless_instrument.forwarder.codec import resource
from serverless_instrument.forwarder.destinations.destination import LOGS
from serverless_instrument.forwarder.telemetry_api import log_records, platform_events
from serverless_instrument.forwarder.telemetry_api.announced_lines import pack_digest
from serverless_instrument.forwarder.telemetry_api.function_lines import HOLD_S, FunctionLines
from serverless_instrument.forwarder.telemetry_api.line_attribution import Context
from serverless_instrument.forwarder.telemetry_api.platform_lines import text_of_event
from serverless_instrument.wire import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.codec.span_identity import SpanIdentity
    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.telemetry_api.function_lines import Line
    from serverless_instrument.forwarder.telemetry_api.line_reader import LineReader
    from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
    from serverless_instrument.forwarder.telemetry_api.platform_events import Event
    from serverless_instrument.wire_payloads import TextPayload

# How our own lines begin. To send them on would make more of them, without end.
_OWN_PREFIX = "serverless-instrument: "
_SPAN_START = "serverless_instrument.span.start"
# Dev mode shows a line within a quarter of a second.
_DEV_HOLD_S = 0.06
_LONG_CHARACTERS = 128 * 1024
_KEPT_MEMORY_BYTES = 4 * 1024 * 1024
# Of scopes by name.
_MOST_KEPT = 1000
_NO_IDS = (b"", b"", 0)
_IOSTREAM = {
    wire.STDOUT: log_records.encode_attributes({"log.iostream": "stdout"}),
    wire.STDERR: log_records.encode_attributes({"log.iostream": "stderr"}),
}


def _scope(name: str) -> bytes:
    """The tagged ``scope`` of a ``ScopeLogs``."""
    version = wire.field(b"\x12", __version__.encode())
    return wire.field(b"\x0a", wire.field(b"\x0a", name.encode()) + version)


class LogIntake:
    """Makes log records of what the platform posts, as far as the runtime does not send it.

    Args:
        settings: what to send on.
        environ: of the function's resource, until a runtime has sent its own.
        batch: takes the records.
        report: see `Delivery`.
        emf: takes (line, resource, time in Unix nanoseconds) of what may be of the embedded metric
            format; None where that is not wanted.

    Attributes:
        resource: the function's, as far as it is known.
    """

    def __init__(
        self,
        settings: LogSettings,
        environ: Mapping[str, str],
        batch: Batch,
        report: Callable[[str, str], None],
        emf: Callable[[str, bytes, int], None] | None = None,
    ) -> None:
        self._settings = settings
        self._batch = batch
        self._report = report
        self._emf = emf
        self._loaded_reader: LineReader | None = None
        self._keeps_memory = False
        batch.read_unread = self.read_captured
        self.resource = resource.encoded(environ)
        self._scopes = {kind: _scope(f"serverless_instrument.{kind}") for kind in _KINDS}
        # By logger; "" for what is printed.
        self._loggers = {"": _scope("serverless_instrument")}
        self._lines = FunctionLines(
            concurrent=settings.concurrent, hold_s=_DEV_HOLD_S if settings.dev_mode else HOLD_S
        )
        self._takes_lines = self._expects_lines = platform_events.FUNCTION in settings.types

    @property
    def _reader(self) -> LineReader:
        """The reader of lines, loaded with the first one."""
        if self._loaded_reader is None:
            from serverless_instrument.forwarder.telemetry_api.line_reader import LineReader

            self._loaded_reader = LineReader(self._settings.rules, self._emf)
        return self._loaded_reader

    def expect_no_lines(self) -> None:
        """The platform posts nothing: do not remember what its lines could be compared with."""
        self._expects_lines = False

    # From the runtime's frames.

    def record_hello(self, resource_: bytes) -> None:
        """HELLO came, with the function's resource as the runtime knows it."""
        self.resource = resource_

    def record_start(
        self, request_id: str, time_unix_ns: int, resource_: bytes, span: SpanIdentity
    ) -> None:
        """START came, of an invocation whose `span` has no ids where it is not sampled."""
        context = Context(span.trace_id, span.span_id, resource_, time_unix_ns)
        self._lines.contexts.record_start(request_id, context)
        if self._settings.dev_mode and self._settings.rules.enabled and span.trace_id:
            record = log_records.Record(span.name, time_unix_ns)
            record.event_name = _SPAN_START
            record.request_id = request_id
            self._send("runtime", record, context, time_unix_ns)

    def record_end(self, request_id: str, time_unix_ns: int) -> None:
        """END came."""
        self._lines.contexts.record_end(request_id, time_unix_ns)

    def record_announcement(self, request_id: str, digests: bytes) -> None:
        """LINES came: the runtime sends the lines of `digests`, joined, itself."""
        if self._expects_lines:
            self._lines.record_announcement(request_id, digests)

    def add_captured(self, captured: TextPayload, resource_: bytes) -> None:
        """TEXT or RECORD came: keep it unread until it is sent, and take it as announced."""
        if self._expects_lines and captured.bits & wire.ANNOUNCES:
            self._lines.record_announcement(captured.request_id, digests_of_text(captured))
        del captured.data  # the text is enough
        if len(captured.text) > _LONG_CHARACTERS and not self._keeps_memory:
            # glibc takes the size of what is freed as a hint to keep as much: without it a text of
            # 1 MB costs 4 ms instead of 1 ms, in page faults (mallopt(3), M_MMAP_THRESHOLD).
            self._keeps_memory = bool(bytes(_KEPT_MEMORY_BYTES))
        self._batch.add_unread((captured, resource_), len(captured.text))

    def read_captured(self, entry: tuple[TextPayload, bytes]) -> None:
        """Read what `add_captured` has kept, now that it is to be sent."""
        captured, resource_ = entry
        text = captured.text
        lines = [text]
        whole = captured.record is not None or captured.bits & wire.PIECE
        if not whole and captured.bits & wire.STREAM_MASK != wire.RUNTIME_LOG:
            lines = text.split("\n") if "\n" in text else [text]
            if len(lines) > 1 and self._reader.is_one_record(lines):
                lines = [text]
        for line in lines:
            try:
                self._send_captured(line.removesuffix("\r"), captured, resource_)
            except Exception as error:  # one line, whatever it holds, must not cost the others
                self._report("log lines", f"a line cannot be sent: {error}")

    def _send_captured(self, text: str, captured: TextPayload, resource_: bytes) -> None:
        time_unix_ns, facts = captured.time_unix_ns, captured.record
        if facts is not None:
            record = self._reader.read_record(text, facts, captured.bits, time_unix_ns, resource_)
            more = b""  # the record's own attributes have it
        elif not text:
            return
        else:
            record = self._reader.read_line(text, time_unix_ns, resource_)
            more = _IOSTREAM.get(captured.bits & wire.STREAM_MASK, b"")
            more += log_records.request_attribute(captured.request_id)
        if record is not None:
            ids = captured.trace_id, captured.span_id, captured.flags
            item = log_records.encode(record, ids, time_unix_ns, more)
            self._batch.add_items(LOGS, resource_, self._logger_scope(record.logger), item, 1)

    def _logger_scope(self, name: str) -> bytes:
        scope = self._loggers.get(name)
        if scope is None:
            encoded = wire.field(b"\x0a", name.encode("utf-8", "replace"))
            scope = wire.field(b"\x0a", encoded)
            if len(self._loggers) < _MOST_KEPT:
                self._loggers[name] = scope
        return scope

    # From the platform's posts.

    def record_platform_start(self, event: Event) -> None:
        """The start of an invocation, or of an init or restore phase, which has no request."""
        self._lines.record_platform_start(event.request_id)

    def add_line(self, event: Event, now_s: float) -> None:
        """Hold a function's or an extension's line, if it is to be sent on."""
        if not self._takes_lines:
            return
        of_extension = event.kind == platform_events.EXTENSION and isinstance(event.record, str)
        if not (of_extension and str(event.record).startswith(_OWN_PREFIX)):
            self._lines.add_line(event, now_s)

    def record_dropped_lines(self, event: Event) -> None:
        """The platform has lost lines, because too many came at once."""
        records = platform_events.count_of(event.record, "droppedRecords")
        self._batch.dropped_lines += records
        reason = platform_events.text_of(event.record, "reason")
        text = f"the platform dropped {records} log records: {reason or 'no reason given'}"
        self._report("platform.logsDropped", " ".join(text.split()))
        if self._settings.rules.enabled:
            record = log_records.Record(text, event.time_unix_ns)
            record.severity = log_records.WARN
            record.event_name = platform_events.LOGS_DROPPED
            self._send("platform", record, None, event.time_unix_ns)

    def send_platform_event(self, event: Event) -> None:
        """Send a record of START, END or REPORT, where it is asked for."""
        if not (self._settings.platform_logs and self._settings.rules.enabled):
            return
        text = text_of_event(event)
        if text:
            record = log_records.Record(text, event.time_unix_ns)
            record.severity = log_records.INFO
            record.event_name = event.kind
            record.request_id = event.request_id
            context = self._lines.contexts.context_of(event.request_id)
            self._send("platform", record, context, event.time_unix_ns)

    @property
    def release_at_s(self) -> float:
        """When to call `send_due_lines` (monotonic)."""
        return self._lines.release_at_s

    def send_due_lines(self, now_s: float, now_unix_ns: int) -> None:
        """Send on lines that have been held long enough."""
        self._send_lines(self._lines.take_due_lines(now_s), now_unix_ns)

    def send_held_lines(self, now_unix_ns: int, *, last: bool) -> None:
        """Send on lines that are held: an invocation, or the environment (`last`), has ended."""
        lines = self._lines.take_all_lines() if last else self._lines.take_whole_lines()
        self._send_lines(lines, now_unix_ns)

    def _send_lines(self, lines: list[Line], now_unix_ns: int) -> None:
        for line in lines:
            try:
                self._send_line(line, now_unix_ns)
            except (ValueError, RecursionError) as error:
                # A pattern or a value that goes too deep must not cost the other lines.
                self._report("log lines", f"a line cannot be sent: {error}")

    def _send_line(self, line: Line, now_unix_ns: int) -> None:
        context = self._lines.contexts.context_of(line.request_id)
        kind = line.event.kind
        record = self._reader.read_line(
            line.text,
            line.event.time_unix_ns or now_unix_ns,
            self._resource_of(context),
            of_function=kind == platform_events.FUNCTION,
        )
        if record is not None:
            record.request_id = line.request_id
            self._send(kind, record, context, now_unix_ns)

    def _send(
        self,
        kind: str,
        record: log_records.Record,
        context: Context | None,
        now_unix_ns: int,
    ) -> None:
        ids = _NO_IDS
        if context is not None and context.trace_id:
            # A span there is, so it was sampled: https://www.w3.org/TR/trace-context/#trace-flags
            ids = context.trace_id, context.span_id, 1
        more = log_records.request_attribute(record.request_id)
        item = log_records.encode(record, ids, now_unix_ns, more)
        scope = self._logger_scope(record.logger) if record.logger else self._scopes[kind]
        self._batch.add_items(LOGS, self._resource_of(context), scope, item, 1)

    def _resource_of(self, context: Context | None) -> bytes:
        return context.resource if context is not None else self.resource


_KINDS = (platform_events.FUNCTION, platform_events.EXTENSION, "platform", "runtime")


def digests_of_text(captured: TextPayload) -> bytes:
    """The digests of a frame's lines, joined, as `wire.line_digest` makes them of the bytes."""
    text = captured.text
    framed = captured.bits & wire.STREAM_MASK == wire.RUNTIME_LOG
    if text.isascii() and text[-1:] != "\r" and "\n" not in text:
        return pack_digest(crc32(captured.data), len(text))  # without a copy of it
    lines = [line.rstrip("\r\n").encode() for line in ([text] if framed else text.split("\n"))]
    return b"".join([pack_digest(crc32(line), len(line)) for line in lines])
