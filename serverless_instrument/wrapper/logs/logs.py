"""Logging and printed lines to LOGS and LINES frames, each as it is written.

`log_hook` sees the records of ``logging`` and `output_tee` the text; a text that comes while a
record is with its handlers is that record's and no line of its own. For all text that the platform
will see a digest goes to the forwarder, which sends on only what has none.
"""

from __future__ import annotations

import sys
from _thread import _local, get_ident
from time import time_ns

from serverless_instrument.wire import EMF_MARK, emf_frame
from serverless_instrument.wrapper.logs import log_frames, log_hook
from serverless_instrument.wrapper.logs.output_tee import LineBuffer, OutputTee
from serverless_instrument.wrapper.records import encoder, record_encoder
from serverless_instrument.wrapper.records.current_span import current_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from logging import LogRecord
    from types import ModuleType
    from typing import Any

    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.records import records
    from serverless_instrument.wrapper.settings import Settings

_STREAMS = ("stdout", "stderr")
# What another thread has begun is given out at the end of an invocation if it is older than the
# pieces of one print can be apart.
_BEGUN_NS = 100_000_000
_KEPT = 1000


class _Begun:
    """The lines that one thread is writing, a buffer for each stream, and when it wrote last."""

    __slots__ = ("lines", "since_unix_ns")

    def __init__(self) -> None:
        self.lines = (LineBuffer(), LineBuffer())
        self.since_unix_ns = 0


class _OfThread(_local):
    begun: _Begun | None = None


class Logs:
    """What the function logs and prints, on its way to the forwarder.

    Args:
        settings: the runtime side's.
        send: takes whole frames, never blocks.
        warn: says one line.
    """

    def __init__(
        self, settings: Settings, send: Callable[[bytes], None], warn: Callable[[str], None]
    ) -> None:
        # The one that runs, or the last: what comes between two belongs to it.
        self.invocation: Invocation | None = None
        self.handling = log_hook.Handling()
        self._rules = settings.log_rules
        self._masked = settings.mask
        self._limits = settings.log_limits
        self._send = send
        self._warn = warn
        self._failed = False
        self._tees: list[OutputTee] = []
        self._scopes: dict[str, bytes] = {}
        self._kept: dict[tuple[str, Any], tuple[dict[str, object], bytes]] = {}
        self._log_records: Any = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        # As the platform sees them: whole lines of a stream, whichever threads wrote them.
        self._physical = (LineBuffer(), LineBuffer())
        self._of_thread = _OfThread()
        self._threads: dict[int, _Begun] = {}

    def install(self) -> None:
        """Watch the standard streams; `watch_logging` is for the import of logging."""
        for number, name in enumerate(_STREAMS):
            if number and sys.stderr is sys.stdout:
                return
            tee = OutputTee(getattr(sys, name), self._watcher(number))
            if tee.install():
                self._tees.append(tee)

    def watch_logging(self, module: ModuleType) -> None:
        """See the records of ``logging`` from now on."""
        log_hook.watch(module, self.handling, self._logged)
        log_hook.watch_sink(module, self._framed)

    def after_fork(self) -> None:
        """What the parent's threads have begun to write is the parent's."""
        for tee in self._tees:
            tee.after_fork()
        self._start_afresh()

    # What is written.

    def _watcher(self, number: int) -> Callable[[str], None]:
        handling = self.handling

        def seen(text: str) -> None:
            # What we call may write itself (an import under python -v, an object asked for its
            # text, a signal handler): without a digest, so that the forwarder sends it.
            busy = handling.busy
            handling.busy = True
            try:
                ended = self._physical[number].feed(text)
                if busy:
                    return
                digests = [log_frames.digest(line) for line in ended] if ended else []
                if handling.texts is not None and handling.digests is not None:
                    handling.texts.append(text)
                    handling.digests += digests
                else:
                    self._printed(number, text, digests)
            except Exception as error:  # the line is written; only our copy is lost
                self._fault(error)
            finally:
                handling.busy = busy

        return seen

    def _printed(self, number: int, text: str, digests: Sequence[bytes]) -> None:
        begun = self._of_thread.begun or self._new_thread()
        ended = begun.lines[number].feed(text)
        if ended:
            self._emit_texts(ended, _STREAMS[number], digests)
        else:
            begun.since_unix_ns = time_ns()
            if digests:
                self._send_lines(digests)

    def _framed(self, text: str) -> None:
        handling = self.handling
        if handling.busy:  # as above
            return
        handling.busy = True
        try:
            digests = [log_frames.digest(text)]
            if handling.texts is not None and handling.digests is not None:
                handling.texts.append(text)
                handling.digests += digests
            else:  # the runtime client's own: the error that the handler raised
                self._emit_texts([text.removesuffix("\n")], "", digests)
        except Exception as error:  # as above
            self._fault(error)
        finally:
            handling.busy = False

    def _new_thread(self) -> _Begun:
        begun = self._of_thread.begun = _Begun()
        ident = get_ident()
        ended = self._threads.get(ident)
        self._threads[ident] = begun
        if ended is not None:  # a thread that is no more had the same number
            self._give_out(ended)
        return begun

    def _give_out(self, begun: _Begun) -> None:
        for number, buffer in enumerate(begun.lines):
            text = buffer.take()
            if text:
                self._emit_texts([text], _STREAMS[number], [])

    def flush(self) -> None:
        """Send what has no line feed yet, at the end of an invocation."""
        self.handling.busy = True
        try:
            own, now_unix_ns = get_ident(), time_ns()
            for ident, begun in list(self._threads.items()):
                alive = ident == own or ident in sys._current_frames()
                if ident == own or not alive or now_unix_ns - begun.since_unix_ns > _BEGUN_NS:
                    self._give_out(begun)
                if not alive:
                    del self._threads[ident]
            # Where the platform cuts a line at the end of an invocation as well.
            rests = [one.rest() for one in self._physical]
            self._send_lines([log_frames.digest(rest) for rest in rests if rest])
        except Exception as error:  # as above
            self._fault(error)
        finally:
            self.handling.busy = False

    # What is sent.

    def _emit_texts(self, lines: Sequence[str], stream: str, digests: Sequence[bytes]) -> None:
        made, emf = [], b""
        now_unix_ns = time_ns()
        rules, masked = self._rules, self._masked
        of_text = self._loaded().of_text
        for line in lines:
            if line:
                if line[0] == "{" and EMF_MARK in line:
                    emf += emf_frame(line, now_unix_ns)
                record, logger = of_text(line, now_unix_ns, masked)
                if rules is None or rules.wanted(line, record.severity_number):
                    made.append((logger, record))
        self._send_records(made, ("log.iostream", stream) if stream else None, digests, emf)

    def _logged(
        self, record: LogRecord, before: dict[str, Any], texts: list[str], digests: list[bytes]
    ) -> None:
        handling, rules = self.handling, self._rules
        if handling.busy:  # of a signal handler, or an object that we ask for its text: as above
            return
        handling.busy = True
        try:
            # Others: a handler's own line feed, or what an object printed when asked for its text.
            text = next((text for text in reversed(texts) if text.startswith("{")), "")
            now_unix_ns = time_ns()
            found = self._loaded().of_logging(record, before, text, now_unix_ns, self._masked)
            told = found.body if type(found.body) is str else "".join(texts)
            if rules is None or rules.wanted(told, found.severity_number):
                place = before.get("pathname"), before.get("lineno"), before.get("funcName")
                made = [(str(before.get("name", "")), found)]
            else:
                place, made = None, []
            # A formatter of the user's own may leave nothing but the message.
            emf = _emf_frames(text, now_unix_ns) if EMF_MARK in text else b""
            self._send_records(made, place, digests, emf)
        except Exception as error:  # as above
            self._fault(error)
        finally:
            handling.busy = False

    def _loaded(self) -> Any:
        """The module that makes records, from the first line on."""
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
        common, shared = self._shared(request_id, place)
        most = self._limits.attribute_count
        for name, record in made:
            record.trace_id, record.span_id, record.flags = trace_id, span_id, flags
            scope = self._scopes.get(name) or self._scope(name)
            if most is not None and len(common) + len(record.attributes) > most:
                record.attributes = {**common, **record.attributes}  # and the encoder counts
                parts = log_frames.bounded(record, self._limits)
            else:
                parts = log_frames.bounded(record, self._limits, shared)
            if len(parts) == 1:
                scoped.append((scope, parts[0]))
            else:
                scoped += [(scope, part) for part in parts]
        # As one: the platform's copy of a line counts where the digest of it has not come.
        data = emf + log_frames.frames(scoped, request_id, digests)
        if data:
            self._send(data)

    def _shared(
        self, request_id: str, place: tuple[Any, ...] | None
    ) -> tuple[dict[str, object], bytes]:
        """Attributes that records of one place have in common (the stream, or the code), encoded.

        They are the same each time, and half of a record.
        """
        kept = self._kept.get((request_id, place))
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
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[request_id, place] = kept
        return kept

    def send_record(self, scope: bytes, record: records.LogRecord) -> None:
        """Send a record of OpenTelemetry's; one without a trace is of the span that is current."""
        if self.handling.texts is not None:  # of a handler: logging's own record goes out
            return
        rules, told = self._rules, record.body if type(record.body) is str else str(record.body)
        if rules is not None and not rules.wanted(told, record.severity_number):
            return
        request_id, trace_id, span_id, flags = self._context()
        if not record.trace_id:
            record.trace_id, record.span_id, record.flags = trace_id, span_id, flags
        if request_id:
            record.attributes.setdefault("faas.invocation_id", request_id)
        parts = log_frames.bounded(record, self._limits)
        self._send(log_frames.frames([(scope, part) for part in parts], request_id, []))

    def _send_lines(self, digests: Sequence[bytes]) -> None:
        if digests:
            request_id = self.invocation.request_id if self.invocation is not None else ""
            self._send(log_frames.frames([], request_id, digests))

    def _scope(self, name: str) -> bytes:
        scope = self._scopes.get(name)
        if scope is None:
            from serverless_instrument.wrapper.records.encoder import SCOPE

            scope = encoder.scope(name) if name else SCOPE
            if len(self._scopes) < _KEPT:
                self._scopes[name] = scope
        return scope

    def _context(self) -> tuple[str, bytes, bytes, int]:
        """(request id, trace id, span id, trace flags) that hold here and now."""
        invocation = self.invocation
        request_id = "" if invocation is None else invocation.request_id
        span = current_span()
        if span is not None:
            return (request_id, *span)
        if invocation is None:
            return request_id, b"", b"", 0
        root = invocation.span
        return request_id, root.trace_id, root.span_id, root.flags & 0xFF

    def _fault(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            self._warn(f"a log line was not captured: {type(error).__name__}: {error}")


def _emf_frames(text: str, now_unix_ns: int) -> bytes:
    lines = [line for line in text.split("\n") if EMF_MARK in line]
    return b"".join([emf_frame(line, now_unix_ns) for line in lines])
