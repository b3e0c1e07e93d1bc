"""Digests of lines that the runtime sends itself, as it announces them in LINES frames. Pure.

They are kept as a multiset for each request; the platform's copy of a line consumes one. A
multiset is a run of bytes, eight for a digest: the platform's copies come nearly in the same
order, so that a search ends where it begins, and ten thousand lines cost 80 kB.
"""

from __future__ import annotations

from binascii import crc32

from serverless_instrument.forwarder.codec.json_text import dumps
from serverless_instrument.wire import DIGEST_BYTES

_MOST_BYTES = 1024 * 1024
_MOST_REQUESTS = 64


class AnnouncedLines:
    """Digests by request id, in the order of each request's last announcement."""

    __slots__ = ("_runs", "_size_bytes")

    def __init__(self) -> None:
        self._runs: dict[str, bytearray] = {}
        self._size_bytes = 0

    def add_digests(self, request_id: str, digests: bytes) -> None:
        """Keep `digests`, joined; the oldest requests are forgotten where there are too many."""
        run = self._runs.pop(request_id, None) or bytearray()
        run += digests
        self._runs[request_id] = run
        self._size_bytes += len(digests)
        while self._size_bytes > _MOST_BYTES or len(self._runs) > _MOST_REQUESTS:
            oldest = next(iter(self._runs))
            self._size_bytes -= len(self._runs.pop(oldest))

    def consume_line(
        self, request_id: str, digests: tuple[bytes, ...], *, or_length: bool = False
    ) -> bool:
        """Whether a line with one of `digests` was announced; one announcement is used up then.

        A line written as an invocation ends may be another's here than there, hence the rest of
        the requests after its own, last first.

        `or_length` takes a line of the same length where no digest matches: JSON written anew with
        its keys in another order has that, if nothing else.
        """
        own = self._runs.get(request_id)
        others = [run for run in reversed(self._runs.values()) if run is not own]
        runs = [own, *others] if own else others
        for run in runs:
            for digest in digests:
                if self._cut(run, digest, 0):
                    return True
        for run in runs if or_length else ():
            for digest in digests:
                if self._cut(run, digest[4:], 4):
                    return True
        return False

    def consume_start(self, request_id: str, text: bytes) -> int:
        """Bytes at the start of `text` that are an announced line of a request, 0 for none.

        The last one that was announced is tried first.
        """
        run = self._runs.get(request_id, bytearray())
        for start in range(len(run) - DIGEST_BYTES, -1, -DIGEST_BYTES):
            digest = bytes(run[start : start + DIGEST_BYTES])
            size_bytes = int.from_bytes(digest[4:], "big")
            fits = 0 < size_bytes <= len(text)
            if fits and pack_digest(crc32(text[:size_bytes]), size_bytes) == digest:
                self._cut(run, digest, 0)
                return size_bytes
        return 0

    def consume_end(self, request_id: str, text: bytes) -> int:
        """Bytes at the end of `text` that are the first announced line of a request, 0 for none."""
        run = self._runs.get(request_id)
        if not run:
            return 0
        digest = bytes(run[:DIGEST_BYTES])
        size_bytes = int.from_bytes(digest[4:], "big")
        end = text[-size_bytes:] if 0 < size_bytes <= len(text) else b""
        if not end or pack_digest(crc32(end), size_bytes) != digest:
            return 0
        self._cut(run, digest, 0)
        return size_bytes

    def _cut(self, run: bytearray, part: bytes, offset: int) -> bool:
        """Take the first digest with `part` at `offset` out of `run`, if there is one."""
        place = run.find(part)
        while place >= 0 and place % DIGEST_BYTES != offset:
            place = run.find(part, place + 1)
        if place < 0:
            return False
        start = place - offset
        del run[start : start + DIGEST_BYTES]
        self._size_bytes -= DIGEST_BYTES
        return True


def pack_digest(checksum: int, size_bytes: int) -> bytes:
    """The digest of a line with that CRC-32 and length, as `wire.line_digest` makes it."""
    return checksum.to_bytes(4, "big") + (size_bytes & 0xFFFF_FFFF).to_bytes(4, "big")


def digests_of(record: dict[str, object] | str, text: str) -> tuple[bytes, ...]:
    """Digests that the runtime may have announced a line under; `text` is that of `record`.

    A JSON line comes as an object; how it was spaced and escaped is lost.
    """
    if isinstance(record, str):
        texts = [text]
    else:
        forms = ((False, True), (False, False), (True, True), (True, False))
        texts = [dumps(record, compact=c, ascii_only=a) for c, a in forms]
    encoded = dict.fromkeys([text.encode("utf-8", "replace") for text in texts])
    return tuple([pack_digest(crc32(data), len(data)) for data in encoded])
