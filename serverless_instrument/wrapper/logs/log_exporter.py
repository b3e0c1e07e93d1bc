"""Captured lines and log records, as LOGS, LINES and EMF frames to the forwarder."""

from __future__ import annotations

from serverless_instrument.wire import EMF_MARK, emf_frame
from serverless_instrument.wrapper.logs import log_frames
from serverless_instrument.wrapper.records import encoder, record_encoder
from serverless_instrument.wrapper.records.current_span import current_span
from serverless_instrument.wrapper.records.primitives import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from logging import LogRecord
    from typing import Any

    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.records import records
    from serverless_instrument.wrapper.settings import Settings

# Of encoded scopes, and of encoded attributes.
_MAX_KEPT = 1000


class LogExporter:
    """Turns lines and records into log records of the current span and sends them at once.

    Args:
        settings: the runtime side's.
        send: takes whole frames, never blocks.
    """

    def __init__(self, settings: Settings, send: Callable[[bytes], None]) -> None:
        # The running invocation, or the last one: what is logged between two belongs to it.
        self.invocation: Invocation | None = None
        self._limits = settings.log_limits
        self._send = send
        self._scopes: dict[str, bytes] = {}
        # By request id and place: attributes, and the same encoded.
        self._common: dict[tuple[str, Any], tuple[dict[str, object], bytes]] = {}
        self._log_records: Any = None

    def export_lines(self, lines: Sequence[str], stream: str, digests: Sequence[bytes]) -> None:
        """Send lines of output, together with the digests of what the platform sees.

        `stream` is stdout or stderr; "" for the runtime client's own log.
        """
        made, emf = [], b""
        now_unix_ns = time_ns()
        record_from_line = self._record_maker().record_from_line
        for line in lines:
            if line:
                if line[0] == "{" and EMF_MARK in line:
                    emf += emf_frame(line, now_unix_ns)
                record, logger = record_from_line(line, now_unix_ns)
                made.append((logger, record))
        self._send_records(made, ("log.iostream", stream) if stream else None, digests, emf)

    def export_logging_record(
        self, record: LogRecord, before: dict[str, Any], texts: list[str], digests: list[bytes]
    ) -> None:
        """Send a record of ``logging`` whose handlers have run.

        Args:
            record: as the handlers left it.
            before: its attributes as the logger made it.
            texts: what was written while the handlers ran.
            digests: of the lines that these texts completed.
        """
        # Other texts are a handler's own line feed, or what an object printed in its ``__str__``.
        text = next((text for text in reversed(texts) if text.startswith("{")), "")
        now_unix_ns = time_ns()
        made = self._record_maker().record_from_logging(record, before, text, now_unix_ns)
        place = before.get("pathname"), before.get("lineno"), before.get("funcName")
        named = [(str(before.get("name", "")), made)]
        # The user's own formatter may write nothing but the message.
        emf = _emf_frames(text, now_unix_ns) if EMF_MARK in text else b""
        self._send_records(named, place, digests, emf)

    def export_record(self, scope: bytes, record: records.LogRecord) -> None:
        """Send a record of OpenTelemetry's; one without a trace id gets the current span's ids."""
        request_id, trace_id, span_id, flags = self._context()
        if not record.trace_id:
            record.trace_id, record.span_id, record.flags = trace_id, span_id, flags
        if request_id:
            record.attributes.setdefault("faas.invocation_id", request_id)
        parts = log_frames.encoded_parts(record, self._limits)
        self._send(log_frames.encode_frames([(scope, part) for part in parts], request_id, []))

    def export_digests(self, digests: Sequence[bytes]) -> None:
        """Send digests of lines whose records go out elsewhere, or not at all."""
        if digests:
            request_id = self.invocation.request_id if self.invocation is not None else ""
            self._send(log_frames.encode_frames([], request_id, digests))

    def _record_maker(self) -> Any:
        """The module that makes records, loaded with the first line."""
        if self._log_records is None:
            from serverless_instrument.wrapper.logs import log_records

            self._log_records = log_records
        return self._log_records

    def _send_records(
        self,
        made: Sequence[tuple[str, records.LogRecord]],
        place: tuple[Any, ...] | None,
        digests: Sequence[bytes],
        emf: bytes = b"",
    ) -> None:
        request_id, trace_id, span_id, flags = self._context()
        scoped: list[tuple[bytes, bytes]] = []
        common, encoded = self._common_attributes(request_id, place)
        max_attributes = self._limits.attribute_count
        for name, record in made:
            record.trace_id, record.span_id, record.flags = trace_id, span_id, flags
            scope = self._scopes.get(name) or self._scope(name)
            if max_attributes is not None and (
                len(common) + len(record.attributes) > max_attributes
            ):
                record.attributes = {**common, **record.attributes}  # the encoder drops and counts
                parts = log_frames.encoded_parts(record, self._limits)
            else:
                parts = log_frames.encoded_parts(record, self._limits, encoded)
            if len(parts) == 1:
                scoped.append((scope, parts[0]))
            else:
                scoped += [(scope, part) for part in parts]
        # In one piece: the forwarder sends the platform's copy of a line whose digest has not come.
        data = emf + log_frames.encode_frames(scoped, request_id, digests)
        if data:
            self._send(data)

    def _common_attributes(
        self, request_id: str, place: tuple[Any, ...] | None
    ) -> tuple[dict[str, object], bytes]:
        """Attributes that records of one place (the stream, or the code) share; also encoded.

        They are the same each time, and half of a record.
        """
        kept = self._common.get((request_id, place))
        if kept is None:
            values: dict[str, object] = {}
            if place is not None and len(place) == 2:
                values[place[0]] = place[1]
            elif place is not None and place[0]:
                names = "code.file.path", "code.line.number", "code.function.name"
                values = dict(zip(names, place, strict=True))
            if request_id:
                values["faas.invocation_id"] = request_id
            kept = values, record_encoder.log_attributes(values, self._limits)
            if len(self._common) >= _MAX_KEPT:
                self._common.clear()
            self._common[request_id, place] = kept
        return kept

    def _scope(self, name: str) -> bytes:
        scope = self._scopes.get(name)
        if scope is None:
            from serverless_instrument.wrapper.records.encoder import SCOPE

            scope = encoder.scope(name) if name else SCOPE
            if len(self._scopes) < _MAX_KEPT:
                self._scopes[name] = scope
        return scope

    def _context(self) -> tuple[str, bytes, bytes, int]:
        """(request id, trace id, span id, trace flags) of the calling context."""
        invocation = self.invocation
        request_id = "" if invocation is None else invocation.request_id
        span = current_span()
        if span is not None:
            return (request_id, *span)
        if invocation is None:
            return request_id, b"", b"", 0
        root = invocation.span
        return request_id, root.trace_id, root.span_id, root.flags & 0xFF


def _emf_frames(text: str, now_unix_ns: int) -> bytes:
    lines = [line for line in text.split("\n") if EMF_MARK in line]
    return b"".join([emf_frame(line, now_unix_ns) for line in lines])
