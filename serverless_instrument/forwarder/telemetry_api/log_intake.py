"""Lines and platform events to log records in the batch. Pure."""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.forwarder.codec import resource
from serverless_instrument.forwarder.destinations.destination import LOGS
from serverless_instrument.forwarder.telemetry_api import log_records, platform_events
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
    from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

# How our own lines begin. To send them on would make more of them, without end.
_OWN_PREFIX = "serverless-instrument: "
_SPAN_START = "serverless_instrument.span.start"
# Dev mode shows a line within a quarter of a second.
_DEV_HOLD_S = 0.06


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
        self.resource = resource.encoded(environ)
        self._scopes = {kind: _scope(f"serverless_instrument.{kind}") for kind in _KINDS}
        self._lines = FunctionLines(
            concurrent=settings.concurrent, hold_s=_DEV_HOLD_S if settings.dev_mode else HOLD_S
        )
        self._takes_lines = self._expects_lines = platform_events.FUNCTION in settings.types

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
        self._settings.rules.start_invocation()
        context = Context(span.trace_id, span.span_id, resource_, time_unix_ns)
        self._lines.contexts.record_start(request_id, context)
        if self._settings.dev_mode and self._settings.rules.enabled and span.trace_id:
            record = log_records.Record(span.name, time_unix_ns)
            record.event_name = _SPAN_START
            record.attributes["faas.invocation_id"] = request_id
            self._send("runtime", record, context, time_unix_ns)

    def record_end(self, request_id: str, time_unix_ns: int) -> None:
        """END came."""
        self._lines.contexts.record_end(request_id, time_unix_ns)

    def record_announcement(self, request_id: str, digests: bytes) -> None:
        """LINES came: the runtime sends the lines of `digests`, joined, itself."""
        if self._expects_lines:
            self._lines.record_announcement(request_id, digests)

    def read_log_items(self, resource_: bytes, scope: bytes, items: bytes, count: int) -> None:
        """LOGS came: send on the tagged ``LogRecord`` items that the rules let leave."""
        if self._settings.rules.filters:
            from serverless_instrument.forwarder.patterns.record_filter import wanted_items

            items, count = wanted_items(items, self._settings.rules)
        self._batch.add_items(LOGS, resource_, scope, items, count)

    def read_emf(self, text: str, time_unix_ns: int, resource_: bytes) -> None:
        """EMF came: a line of the runtime's that may be of the embedded metric format."""
        if self._emf is not None:
            try:
                self._emf(self._settings.rules.mask(text), resource_, time_unix_ns)
            except (ValueError, RecursionError) as error:  # as in `_send_lines`
                self._report("log lines", f"a line cannot be read: {error}")

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
            if event.request_id:
                record.attributes["faas.invocation_id"] = event.request_id
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
        rules = self._settings.rules
        # Masked before it is parsed: a pattern may span several fields of a JSON line. The parts
        # are masked by the batch, as everything is.
        text, context = rules.mask(line.text), self._lines.contexts.context_of(line.request_id)
        time_unix_ns = line.event.time_unix_ns
        of_function = line.event.kind == platform_events.FUNCTION
        if self._emf is not None and of_function and wire.EMF_MARK in text and text[0] == "{":
            self._emf(text, self._resource_of(context), time_unix_ns or now_unix_ns)
        if not rules.enabled:
            return
        record = log_records.read(text, time_unix_ns)
        if not rules.wanted(line.text, record.severity):
            return
        if line.request_id:
            record.attributes["faas.invocation_id"] = line.request_id
        self._send(line.event.kind, record, context, now_unix_ns)

    def _send(
        self,
        kind: str,
        record: log_records.Record,
        context: Context | None,
        now_unix_ns: int,
    ) -> None:
        item = log_records.encode(record, context, now_unix_ns)
        self._batch.add_items(LOGS, self._resource_of(context), self._scopes[kind], item, 1)

    def _resource_of(self, context: Context | None) -> bytes:
        return context.resource if context is not None else self.resource


_KINDS = (platform_events.FUNCTION, platform_events.EXTENSION, "platform", "runtime")
