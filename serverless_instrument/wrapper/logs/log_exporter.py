"""Captured text and log records, as TEXT, RECORD, LINES and LOGS frames to the forwarder."""

from __future__ import annotations

from time import time_ns

from serverless_instrument import wire
from serverless_instrument.wrapper.logs import log_frames
from serverless_instrument.wrapper.records import record_encoder
from serverless_instrument.wrapper.records.current_span import current_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.logs.log_frames import Context
    from serverless_instrument.wrapper.logs.log_hook import Handled
    from serverless_instrument.wrapper.logs.record_facts import RecordFacts
    from serverless_instrument.wrapper.records import records
    from serverless_instrument.wrapper.settings import Settings

# Of encoded attributes, and of texts that were formatted and not written yet.
_MAX_KEPT = 1000
_MOST_KEPT_CHARACTERS = 16 * 1024


class LogExporter:
    """Puts text and records with the current span's ids into frames and sends them at once.

    Args:
        settings: the runtime side's.
        send: takes whole frames, never blocks.
    """

    def __init__(self, settings: Settings, send: Callable[[bytes], None]) -> None:
        # The running invocation, or the last one: what is logged between two belongs to it.
        self.invocation: Invocation | None = None
        self._rules = settings.log_rules
        self._limits = settings.log_limits
        self._send = send
        # By request id and place: attributes, and the same encoded.
        self._common: dict[tuple[str, Any], tuple[dict[str, object], bytes]] = {}
        # What handlers have formatted and not written yet: facts and context of the record.
        self._kept: dict[str, tuple[RecordFacts, Context]] = {}
        self._record_facts: Any = None

    def export_lines(
        self, lines: Sequence[str], stream: int, platform_lines: Sequence[str]
    ) -> None:
        """Send lines that were written to `stream`, and announce `platform_lines`."""
        if self._kept and not self._kept.keys().isdisjoint(lines):
            for line in lines:
                shown = [line] if lines == platform_lines else []
                if not self.export_kept(line, stream, shown):
                    self._export_text([line], stream, shown)
            if lines != platform_lines:
                self.export_announcement(platform_lines)
        else:
            self._export_text(lines, stream, platform_lines)

    def _export_text(
        self, lines: Sequence[str], stream: int, platform_lines: Sequence[str]
    ) -> None:
        context = self._context()
        self._send(log_frames.encode_lines(lines, stream, platform_lines, time_ns(), context))

    def export_framed_text(self, text: str) -> None:
        """Send a text of the runtime client's own: the error that the handler raised."""
        self._send_text(wire.TEXT, b"", text, wire.RUNTIME_LOG, [text], self._context())

    def export_logging_record(self, handled: Handled, *, again: bool) -> None:
        """Send a record of ``logging`` for which handlers have written text.

        With `again` the record has been sent, and the text is only announced.
        """
        before, context = handled.before, self._context()
        if again:
            self._send(log_frames.encode_digests(context[0], handled.lines))
            return
        module = self._facts_module()
        facts = module.RecordFacts(before, handled.record.__dict__)
        if self._kept:
            # Of a QueueHandler, which leaves the exception's text in the message.
            queued = self._take_kept(before.get("msg"))
            self._take_kept(handled.body)
            if queued is not None:
                facts, context = queued
        stream = wire.RUNTIME_LOG if handled.framed else wire.STDOUT
        written = "".join(handled.texts)
        text = handled.body or written
        extra = module.extra_attributes(before)
        if handled.own_texts == len(handled.texts):
            stream |= wire.OWN_HANDLERS
            error = module.exception_of(before)
            if error is not None and not facts.stack:
                from serverless_instrument.wrapper.records import errors

                facts.stack = errors.stacktrace(error, error.__traceback__)
        else:
            if facts.stack and facts.stack not in written:
                facts.stack = ""
            if facts.stack_info and facts.stack_info not in written:
                facts.stack_info = ""
            if extra:
                extra = {} if text.startswith("{") else module.shown_in(written, extra)
        self._send_record(facts, extra, text, stream, handled.lines, context)

    def _send_record(
        self,
        facts: RecordFacts,
        extra: dict[str, object],
        text: str,
        bits: int,
        platform_lines: Sequence[str],
        context: Context,
    ) -> None:
        if facts.stack_info:
            extra["code.stacktrace"] = facts.stack_info
        attributes = self._attributes(context[0], facts.place, extra)
        head = facts.encode(attributes)
        if len(head) > log_frames.MAX_TEXT_BYTES:
            shortened = self._limits.shortened(log_frames.SHORTENED_CHARACTERS)
            told = {"serverless_instrument.shortened": True, **extra}
            head = facts.encode(self._attributes(context[0], facts.place, told, shortened))
            if len(head) > log_frames.MAX_TEXT_BYTES:  # many values
                told = {"serverless_instrument.shortened": True}
                head = facts.encode(self._attributes(context[0], facts.place, told, shortened))
        self._send_text(wire.RECORD, head, text, bits, platform_lines, context)

    def _send_text(
        self,
        kind: int,
        head: bytes,
        text: str,
        bits: int,
        platform_lines: Sequence[str],
        context: Context,
    ) -> None:
        """Send one text, in pieces where it is too long, and announce what the platform sees."""
        now_unix_ns = time_ns()
        text = text.removesuffix("\n")
        encoded = log_frames.encode_text(text)
        if len(encoded) > log_frames.MAX_TEXT_BYTES:
            pieces = log_frames.text_pieces(text)
            same = False
        else:
            pieces = [encoded]
            framed = bits & wire.STREAM_MASK == wire.RUNTIME_LOG
            if framed:
                same = len(platform_lines) == 1 and platform_lines[0].removesuffix("\n") == text
            else:
                same = "\n".join(platform_lines) == text
            bits |= wire.ANNOUNCES if same else 0
        data = []
        for piece in pieces:
            data.append(wire.text_frame(kind, now_unix_ns, context, bits, head, piece))
            bits |= wire.PIECE  # the others
        if not same:
            data.append(log_frames.encode_digests(context[0], platform_lines))
        # In one piece: the forwarder sends the platform's copy of a line that is not announced.
        self._send(b"".join(data))

    def keep_formatted(self, before: dict[str, Any], after: dict[str, Any], text: str) -> None:
        """Keep what a record says until `text`, which a handler has made of it, is written."""
        if len(text) <= _MOST_KEPT_CHARACTERS:
            facts = self._facts_module().RecordFacts(before, after)
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[text.rstrip("\n")] = facts, self._context()

    def _take_kept(self, text: object) -> tuple[RecordFacts, Context] | None:
        return self._kept.pop(text.rstrip("\n"), None) if type(text) is str else None

    def export_kept(self, text: str, stream: int, platform_lines: Sequence[str]) -> bool:
        """Send `text`, which was written, if it is a record that a handler has formatted before."""
        text = text.rstrip("\n")
        kept = self._kept.pop(text, None) if self._kept else None
        if kept is None:
            return False
        facts, context = kept
        if facts.stack not in text:
            facts.stack = ""
        if facts.stack_info not in text:
            facts.stack_info = ""
        self._send_record(facts, {}, text, stream, platform_lines, context)
        return True

    def export_record(self, scope: bytes, record: records.LogRecord) -> None:
        """Send a record of OpenTelemetry's; one without a trace id gets the current span's ids."""
        rules, line = self._rules, record.body if type(record.body) is str else str(record.body)
        if rules is not None and not rules.wanted(line, record.severity_number):
            return
        request_id, trace_id, span_id, flags = self._context()
        if not record.trace_id:
            record.trace_id, record.span_id, record.flags = trace_id, span_id, flags
        if request_id:
            record.attributes.setdefault("faas.invocation_id", request_id)
        self._send(log_frames.log_record_frame(record, scope, self._limits))

    def export_announcement(self, platform_lines: Sequence[str]) -> None:
        """Announce lines whose text goes out elsewhere, or not at all."""
        if platform_lines:
            request_id = self.invocation.request_id if self.invocation is not None else ""
            self._send(log_frames.encode_digests(request_id, platform_lines))

    def _facts_module(self) -> Any:
        """The module that reads records, loaded with the first one."""
        if self._record_facts is None:
            from serverless_instrument.wrapper.logs import record_facts

            self._record_facts = record_facts
        return self._record_facts

    def _attributes(
        self,
        request_id: str,
        place: tuple[Any, ...],
        extra: dict[str, object],
        limits: records.Limits | None = None,
    ) -> bytes:
        """Encoded attributes of a record; those that records of one place share are kept.

        They are the same each time, and half of a record.
        """
        limits = limits or self._limits
        kept = self._common.get((request_id, place))
        if kept is None:
            names = "code.file.path", "code.line.number", "code.function.name"
            values: dict[str, object] = dict(zip(names, place, strict=True)) if place[0] else {}
            if request_id:
                values["faas.invocation_id"] = request_id
            kept = values, record_encoder.log_attributes(values, limits)
            if len(self._common) >= _MAX_KEPT:
                self._common.clear()
            self._common[request_id, place] = kept
        common, encoded = kept
        count = limits.attribute_count
        if count is not None and len(common) + len(extra) > count:
            return record_encoder.log_attributes({**common, **extra}, limits, count)
        return encoded + record_encoder.log_attributes(extra, limits) if extra else encoded

    def _context(self) -> Context:
        invocation = self.invocation
        request_id = "" if invocation is None else invocation.request_id
        span = current_span()
        if span is not None:
            return (request_id, *span)
        if invocation is None:
            return request_id, b"", b"", 0
        root = invocation.span
        return request_id, root.trace_id, root.span_id, root.flags & 0xFF
