"""Lines that the platform saw, less those that the runtime sent itself; pure.

The runtime announces what it captures by digests (LINES frames, `wire.line_digest`). They are kept
as a multiset for each request; the platform's copy of a line takes one away, and what finds none is
held a little, as its frame may be on its way, and then goes on. A multiset is a run of bytes, eight
for a digest: the platform's copies come nearly in the same order, so that the search ends where it
begins, and ten thousand lines cost 80 kB.

A function record names no request. Where one invocation runs at a time it is the one whose
``platform.start`` came last; lines before the first belong to init, and to no trace. Where they
overlap it is the only one that ran at the time, if one alone did. A line may name its request
itself: the runtime client's text format and JSON lines do.
"""

from __future__ import annotations

from binascii import crc32

from serverless_instrument.forwarder.codec.json_text import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

# The runtime announces a line when it is written; the platform keeps its copy for 25 ms and more.
# But a runtime that writes faster than we read is behind the platform, by seconds on a busy
# machine. END comes after all that it announces, and what is held goes out with it; only a long
# invocation waits.
HOLD_S = 3.0
# The platform cuts long lines, not always at the same length: these may be pieces of one.
_PIECE_BYTES = 32 * 1024
_HOLD_PIECE_S = 4.0
_HELD_BYTES = 4 * 1024 * 1024
# The platform tells times in milliseconds.
_TICK_NS = 1_000_000
_DIGEST_BYTES = 8
_DIGESTS_BYTES = 1024 * 1024
_REQUESTS = 64
# Where a JSON line names its invocation: the runtime client, Powertools, and others.
_REQUEST_ID_KEYS = ("requestId", "function_request_id", "aws_request_id", "AWSRequestId")


class Context:
    """Where records of one invocation belong: `trace_id` and `span_id` are b"" without a span.

    `ended_unix_ns` is 0 until END.
    """

    __slots__ = ("ended_unix_ns", "resource", "span_id", "started_unix_ns", "trace_id")

    def __init__(
        self, trace_id: bytes, span_id: bytes, resource: bytes, started_unix_ns: int
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.resource = resource
        self.started_unix_ns = started_unix_ns
        self.ended_unix_ns = 0


class Line:
    """One line that goes on: its event, its request id or "", and its text as digested."""

    __slots__ = ("digests", "event", "release_at_s", "request_id", "text")

    def __init__(self, event: Event, text: str, request_id: str, release_at_s: float) -> None:
        self.event = event
        self.text = text
        self.request_id = request_id
        self.release_at_s = release_at_s
        self.digests: tuple[bytes, ...] = ()


class FunctionLines:
    """Matches and attributes lines; times are seconds of one monotonic clock.

    `concurrent` tells that invocations overlap, as on Managed Instances; `hold_s` is how long a
    line waits to be announced.
    """

    def __init__(self, *, concurrent: bool = False, hold_s: float = HOLD_S) -> None:
        self._concurrent = concurrent
        self._hold_s = hold_s
        self._request_id = ""
        # Whether the next line is an invocation's first, and whose the line before it was.
        self._first = False
        self._before = ""
        self._contexts: dict[str, Context] = {}
        self._digests: dict[str, bytearray] = {}
        self._digests_bytes = 0
        self._held: list[Line] = []
        self._held_bytes = 0
        # Pieces of a line that the platform has cut, and the checksum of what they make so far.
        self._pieces: list[Line] = []
        self._pieces_crc = self._pieces_bytes = 0

    @property
    def release_at_s(self) -> float:
        """When `take` will have something; infinity where nothing is held."""
        return self._held[0].release_at_s if self._held else float("inf")

    def context(self, request_id: str) -> Context | None:
        """What START said of a request, if it did lately."""
        return self._contexts.get(request_id)

    def started(self, request_id: str, context: Context) -> None:
        """A START frame came."""
        self._contexts.pop(request_id, None)
        self._contexts[request_id] = context
        if len(self._contexts) > _REQUESTS:
            del self._contexts[next(iter(self._contexts))]

    def ended(self, request_id: str, time_unix_ns: int) -> None:
        """An END frame came."""
        if request_id in self._contexts:
            self._contexts[request_id].ended_unix_ns = time_unix_ns

    def platform_started(self, request_id: str) -> None:
        """``platform.start`` came; "" for the start of an init phase: lines are of it from now."""
        if request_id != self._request_id:
            self._before, self._request_id, self._first = self._request_id, request_id, True

    def sent(self, request_id: str, digests: bytes) -> None:
        """The runtime has sent the lines of `digests` itself."""
        rest = self._take_held(request_id, digests) if self._held else digests
        if not rest:
            return
        # Put last: the requests are in the order of their last announcement.
        known = self._digests.pop(request_id, None) or bytearray()
        known += rest
        self._digests[request_id] = known
        self._digests_bytes += len(rest)
        while self._digests_bytes > _DIGESTS_BYTES or len(self._digests) > _REQUESTS:
            oldest = next(iter(self._digests))
            self._digests_bytes -= len(self._digests.pop(oldest))

    def line(self, event: Event, now_s: float) -> None:
        """A ``function`` or ``extension`` event came."""
        record = event.record
        text = record if isinstance(record, str) else dumps(record, ascii_only=False)
        text = text.rstrip("\r\n")
        # The platform has no use for them either, and they would be noise.
        if not text:
            return
        line = Line(event, text, self._request_of(event, text), now_s + self._hold_s)
        if event.kind == "function":
            line.digests = _digests(record, text)
            first, self._first = self._first, False
            if self._matched(line) or self._completes(line, now_s):
                return
            if first and not self._concurrent and not self._part(line):
                return
        self._held.append(line)
        self._held_bytes += len(text)

    def take(self, now_s: float) -> list[Line]:
        """Lines that have been held long enough, or for which there is no more room, in order."""
        due = 0
        spare_bytes = self._held_bytes - _HELD_BYTES
        for line in self._held:
            if line.release_at_s > now_s and spare_bytes <= 0:
                break
            spare_bytes -= len(line.text)
            due += 1
        released, self._held = self._held[:due], self._held[due:]
        return self._released(released)

    def take_whole(self) -> list[Line]:
        """Every line that is held but pieces of one: of the runtime nothing more is expected."""
        if not self._pieces:
            return self.take_all()
        released = [line for line in self._held if line not in self._pieces]
        self._held = list(self._pieces)
        return self._released(released)

    def take_all(self) -> list[Line]:
        """Every line that is held: nothing more is expected."""
        released, self._held = self._held, []
        return self._released(released)

    def _released(self, lines: list[Line]) -> list[Line]:
        self._held_bytes -= sum([len(line.text) for line in lines])
        if self._pieces and self._pieces[0] in lines:
            self._pieces = []
        return lines

    def _request_of(self, event: Event, text: str) -> str:
        """The request that a line belongs to, "" for none."""
        named = _named_request(event.record, text)
        if named and (self._concurrent or named in self._contexts or named == self._request_id):
            return named
        if self._concurrent:
            return self._only_one_at(event.time_unix_ns)
        if self._request_id:
            return self._request_id
        # No platform.start yet, perhaps none at all: the runtime's own word, by time.
        for request_id in reversed(self._contexts):
            if 0 < self._contexts[request_id].started_unix_ns <= event.time_unix_ns:
                return request_id
        return ""

    def _only_one_at(self, time_unix_ns: int) -> str:
        """The invocation that ran then, "" where there were several, or none."""
        running = [
            request_id
            for request_id, context in self._contexts.items()
            if context.started_unix_ns < time_unix_ns + _TICK_NS
            and not 0 < context.ended_unix_ns < time_unix_ns
        ]
        return running[0] if len(running) == 1 else ""

    def _matched(self, line: Line) -> bool:
        """Whether the runtime has sent `line`; one announcement is used up then.

        A line written as an invocation ends may be another's here than there, hence the rest of
        the requests after its own, last first.
        """
        own = self._digests.get(line.request_id)
        runs = [run for run in reversed(self._digests.values()) if run is not own]
        for run in [own, *runs] if own else runs:
            for digest in line.digests:
                if self._cut(run, digest, 0):
                    return True
        if isinstance(line.event.record, dict):
            # Written anew with its keys in another order it has the same length, if nothing else.
            for run in [own, *runs] if own else runs:
                for digest in line.digests:
                    if self._cut(run, digest[4:], 4):
                        return True
        return False

    def _cut(self, run: bytearray, part: bytes, offset: int) -> bool:
        """Take the first digest with `part` at `offset` out of `run`."""
        place = run.find(part)
        while place >= 0 and place % _DIGEST_BYTES != offset:
            place = run.find(part, place + 1)
        if place < 0:
            return False
        start = place - offset
        del run[start : start + _DIGEST_BYTES]
        self._digests_bytes -= _DIGEST_BYTES
        return True

    def _completes(self, line: Line, now_s: float) -> bool:
        """Whether `line` is the last piece of one that the runtime has sent whole."""
        data = line.text.encode("utf-8", "replace")
        if len(data) < _PIECE_BYTES and not self._pieces:
            return False
        whole = Line(line.event, "", line.request_id, 0.0)
        self._pieces_crc = crc32(data, self._pieces_crc if self._pieces else 0)
        self._pieces_bytes = len(data) + (self._pieces_bytes if self._pieces else 0)
        whole.digests = (_digest(self._pieces_crc, self._pieces_bytes),)
        if self._pieces and self._matched(whole):
            pieces, self._pieces = self._pieces, []
            self._drop(set(pieces))
            return True
        if len(data) < _PIECE_BYTES:
            self._pieces = []
        else:
            line.release_at_s = now_s + _HOLD_PIECE_S
            self._pieces.append(line)
        return False

    def _part(self, line: Line) -> bool:
        """Leave of an invocation's first line what nobody has sent; False where that is nothing.

        What the invocation before wrote without a newline is the beginning of it here, and a line
        of its own there.
        """
        text = line.text.encode("utf-8", "replace")
        left = _without_start(text, self._digests.get(self._before, bytearray()), self._cut)
        own = self._digests.get(line.request_id)
        if own:
            size_bytes = int.from_bytes(own[4:_DIGEST_BYTES], "big")
            end = left[-size_bytes:] if 0 < size_bytes <= len(left) else b""
            if end and _digest(crc32(end), size_bytes) == own[:_DIGEST_BYTES]:
                self._cut(own, bytes(own[:_DIGEST_BYTES]), 0)
                # Written before, and not by the runtime's own means.
                line.request_id = self._before
                left = left[:-size_bytes]
        if len(left) < len(text):
            line.text = left.decode("utf-8", "replace")
            line.digests = ()
        return bool(left)

    def _drop(self, lines: set[Line]) -> None:
        self._held_bytes -= sum([len(line.text) for line in lines])
        self._held = [line for line in self._held if line not in lines]

    def _take_held(self, request_id: str, digests: bytes) -> bytes:
        """Drop held lines that are announced now; the digests of none of them."""
        by_digest: dict[bytes, list[Line]] = {}
        # The request's own lines last, so that they are taken first.
        for own in (False, True):
            for line in reversed(self._held):
                if (line.request_id == request_id) is own:
                    for digest in line.digests:
                        by_digest.setdefault(digest, []).append(line)
        rest = bytearray()
        dropped: set[Line] = set()
        for start in range(0, len(digests), _DIGEST_BYTES):
            digest = digests[start : start + _DIGEST_BYTES]
            candidates = by_digest.get(digest, [])
            while candidates and candidates[-1] in dropped:
                candidates.pop()
            if candidates:
                dropped.add(candidates.pop())
            else:
                rest += digest
        if dropped:
            self._drop(dropped)
        return bytes(rest)


def _without_start(
    text: bytes, run: bytearray, cut: Callable[[bytearray, bytes, int], bool]
) -> bytes:
    """`text` without the line of `run` that it begins with, the last one that was announced."""
    for start in range(len(run) - _DIGEST_BYTES, -1, -_DIGEST_BYTES):
        digest = bytes(run[start : start + _DIGEST_BYTES])
        size_bytes = int.from_bytes(digest[4:], "big")
        begins = 0 < size_bytes <= len(text)
        if begins and _digest(crc32(text[:size_bytes]), size_bytes) == digest:
            cut(run, digest, 0)
            return text[size_bytes:]
    return text


def _digest(checksum: int, size_bytes: int) -> bytes:
    return checksum.to_bytes(4, "big") + (size_bytes & 0xFFFF_FFFF).to_bytes(4, "big")


def _digests(record: dict[str, object] | str, text: str) -> tuple[bytes, ...]:
    """Digests that the runtime may have announced a line under.

    A JSON line comes as an object; how it was spaced and escaped is lost.
    """
    if isinstance(record, str):
        texts = [text]
    else:
        forms = ((False, True), (False, False), (True, True), (True, False))
        texts = [dumps(record, compact=c, ascii_only=a) for c, a in forms]
    encoded = dict.fromkeys([text.encode("utf-8", "replace") for text in texts])
    return tuple([_digest(crc32(data), len(data)) for data in encoded])


def _named_request(record: dict[str, object] | str, text: str) -> str:
    """The request id that a line names itself, "" if none."""
    fields: object = record
    if text.startswith("[") and isinstance(record, str):
        # [LEVEL]\ttime\trequest id\tmessage, as the runtime client writes text.
        parts = text.split("\t", 3)
        return parts[2] if len(parts) == 4 else ""
    if text.startswith("{") and isinstance(record, str):
        # Managed Instances hand over JSON lines as they are.
        try:
            fields = loads(text)
        except ValueError:
            return ""
    if isinstance(fields, dict):
        for key in _REQUEST_ID_KEYS:
            if isinstance(fields.get(key), str):
                return str(fields[key])
    return ""
