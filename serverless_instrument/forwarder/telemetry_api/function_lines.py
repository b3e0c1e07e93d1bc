"""Lines that the platform saw, less those that the runtime sends itself; pure.

The runtime announces what it captures by digests (`announced_lines`). A line of the platform's
that was not announced is held a little, as its frame may be on its way, and then sent on.
"""

from __future__ import annotations

from binascii import crc32

from serverless_instrument.forwarder.codec.json_text import dumps
from serverless_instrument.forwarder.telemetry_api.announced_lines import (
    AnnouncedLines,
    digests_of,
    pack_digest,
)
from serverless_instrument.forwarder.telemetry_api.line_attribution import InvocationContexts
from serverless_instrument.wire import DIGEST_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
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


class Line:
    """A line that is held or sent on.

    `request_id` is "" for none; `text` has no line end; `digests` are those that the runtime may
    announce it under; `release_at_s` is when it is due (monotonic).
    """

    __slots__ = ("digests", "event", "release_at_s", "request_id", "text")

    def __init__(self, event: Event, text: str, request_id: str, release_at_s: float) -> None:
        self.event = event
        self.text = text
        self.request_id = request_id
        self.release_at_s = release_at_s
        self.digests: tuple[bytes, ...] = ()


class FunctionLines:
    """Matches, attributes and holds lines; times are seconds of one monotonic clock.

    `concurrent` tells that invocations overlap, as on Managed Instances; `hold_s` is how long a
    line waits to be announced.

    Attributes:
        contexts: of invocations; its owner tells it of START and END.
    """

    def __init__(self, *, concurrent: bool = False, hold_s: float = HOLD_S) -> None:
        self._concurrent = concurrent
        self._hold_s = hold_s
        self.contexts = InvocationContexts(concurrent=concurrent)
        self._announced = AnnouncedLines()
        # Whether the next line is an invocation's first, and which request ran before it.
        self._next_is_first = False
        self._previous_request_id = ""
        self._held: list[Line] = []
        self._held_bytes = 0
        # Pieces of a line that the platform has cut, and the checksum of what they make so far.
        self._pieces: list[Line] = []
        self._pieces_crc = self._pieces_bytes = 0
        # Held pieces by the digest of what they make: it may be announced after them.
        self._wholes: dict[bytes, list[Line]] = {}

    @property
    def release_at_s(self) -> float:
        """When `take_due_lines` will have something; infinity where nothing is held."""
        return self._held[0].release_at_s if self._held else float("inf")

    def record_platform_start(self, request_id: str) -> None:
        """``platform.start`` came, or, with "", the start of an init phase: lines belong to it."""
        if request_id != self.contexts.platform_request_id:
            self._previous_request_id = self.contexts.platform_request_id
            self.contexts.platform_request_id = request_id
            self._next_is_first = True

    def record_announcement(self, request_id: str, digests: bytes) -> None:
        """LINES came: the runtime sends the lines of `digests`, joined, itself."""
        unseen = self._drop_announced(request_id, digests) if self._held else digests
        if unseen:
            self._announced.add_digests(request_id, unseen)

    def add_line(self, event: Event, now_s: float) -> None:
        """Hold the line of a ``function`` or ``extension`` event that was not announced."""
        record = event.record
        text = record if isinstance(record, str) else dumps(record, ascii_only=False)
        text = text.rstrip("\r\n")
        # The platform has no use for empty lines either, and they would be noise.
        if not text:
            return
        line = Line(event, text, self.contexts.request_of(event, text), now_s + self._hold_s)
        if event.kind == "function":
            line.digests = digests_of(record, text)
            first, self._next_is_first = self._next_is_first, False
            if self._is_announced(line) or self._completes_pieces(line, now_s):
                return
            if first and not self._concurrent and not self._keep_unannounced_part(line):
                return
        self._held.append(line)
        self._held_bytes += len(text)

    def take_due_lines(self, now_s: float) -> list[Line]:
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

    def take_whole_lines(self) -> list[Line]:
        """Every line that is held but pieces of one: of the runtime nothing more is expected."""
        if not self._pieces:
            return self.take_all_lines()
        released = [line for line in self._held if line not in self._pieces]
        self._held = list(self._pieces)
        return self._released(released)

    def take_all_lines(self) -> list[Line]:
        """Every line that is held: nothing more is expected."""
        released, self._held = self._held, []
        return self._released(released)

    def _released(self, lines: list[Line]) -> list[Line]:
        self._held_bytes -= sum([len(line.text) for line in lines])
        if self._pieces and self._pieces[0] in lines:
            self._pieces = []
        if self._wholes:
            self._wholes = {d: held for d, held in self._wholes.items() if held[0] not in lines}
        return lines

    def _is_announced(self, line: Line) -> bool:
        or_length = isinstance(line.event.record, dict)
        return self._announced.consume_line(line.request_id, line.digests, or_length=or_length)

    def _completes_pieces(self, line: Line, now_s: float) -> bool:
        """Whether `line` is the last piece of one that the runtime has sent whole."""
        data = line.text.encode("utf-8", "replace")
        if len(data) < _PIECE_BYTES and not self._pieces:
            return False
        whole = Line(line.event, "", line.request_id, 0.0)
        self._pieces_crc = crc32(data, self._pieces_crc if self._pieces else 0)
        self._pieces_bytes = len(data) + (self._pieces_bytes if self._pieces else 0)
        whole.digests = (pack_digest(self._pieces_crc, self._pieces_bytes),)
        if self._pieces and self._is_announced(whole):
            pieces, self._pieces = self._pieces, []
            self._drop(set(pieces))
            return True
        if self._pieces:
            self._wholes[whole.digests[0]] = [*self._pieces, line]
        if len(data) < _PIECE_BYTES:
            self._pieces = []
        else:
            line.release_at_s = now_s + _HOLD_PIECE_S
            self._pieces.append(line)
        return False

    def _keep_unannounced_part(self, line: Line) -> bool:
        """Cut what was announced off an invocation's first line; False where nothing is left.

        What the invocation before wrote without a newline is the beginning of this line at the
        platform, and a line of its own at the runtime.
        """
        text = line.text.encode("utf-8", "replace")
        left = text[self._announced.consume_start(self._previous_request_id, text) :]
        if end_bytes := self._announced.consume_end(line.request_id, left):
            # What stands before it was written by the invocation before, by other means.
            line.request_id = self._previous_request_id
            left = left[:-end_bytes]
        if len(left) < len(text):
            line.text = left.decode("utf-8", "replace")
            line.digests = ()
        return bool(left)

    def _drop(self, lines: set[Line]) -> None:
        self._held_bytes -= sum([len(line.text) for line in lines])
        self._held = [line for line in self._held if line not in lines]

    def _take_pieces(self, digest: bytes) -> list[Line]:
        """The held pieces of the line of `digest`."""
        pieces = self._wholes.pop(digest)
        if self._pieces and self._pieces[0] is pieces[0]:
            self._pieces = []
        return pieces

    def _drop_announced(self, request_id: str, digests: bytes) -> bytes:
        """Drop held lines that are announced now; the digests for which none was held."""
        by_digest: dict[bytes, list[Line]] = {}
        # The request's own lines last, so that they are taken first.
        for own in (False, True):
            for line in reversed(self._held):
                if (line.request_id == request_id) is own:
                    for digest in line.digests:
                        by_digest.setdefault(digest, []).append(line)
        unseen = bytearray()
        dropped: set[Line] = set()
        for start in range(0, len(digests), DIGEST_BYTES):
            digest = digests[start : start + DIGEST_BYTES]
            candidates = by_digest.get(digest, [])
            while candidates and candidates[-1] in dropped:
                candidates.pop()
            if candidates:
                dropped.add(candidates.pop())
            elif digest in self._wholes:
                dropped.update(self._take_pieces(digest))
            else:
                unseen += digest
        if dropped:
            self._drop(dropped)
        return bytes(unseen)
