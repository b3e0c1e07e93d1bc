"""HTTP/1.1 requests to our own listeners: bytes in, requests out; no I/O (RFC 9112)."""

from __future__ import annotations

from serverless_instrument.forwarder.http1 import CHUNK_SIZE, DONE, BadMessageError, MessageParser

# The Telemetry API posts up to twice its maxBytes with metadata on top, a control character of a
# line as six bytes (https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html).
_BODY_LIMIT_BYTES = 4 * 1024 * 1024

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


class TooLongError(BadMessageError):
    """A request's body is longer than is taken."""


class RequestParser(MessageParser):
    """One request; `method` and `target` are "" before its first line."""

    __slots__ = ("method", "target", "wants_continue")

    _NAME = "request"
    _BODY_LIMIT_BYTES = _BODY_LIMIT_BYTES

    def __init__(self) -> None:
        super().__init__()
        self.method = ""
        self.target = ""
        # The peer waits for `CONTINUE` before it sends the body (RFC 9110, section 10.1.1).
        self.wants_continue = False

    @property
    def started(self) -> bool:
        """Whether any byte has come."""
        return bool(self.method or self._buffer)

    def feed(self, data: bytes) -> None:
        """Take more bytes. Raises `BadMessageError`, `TooLongError` if it is only that."""
        try:
            super().feed(data)
        except BadMessageError:
            if len(self.body) > _BODY_LIMIT_BYTES:
                raise TooLongError("request body is too long") from None
            raise

    def following(self) -> RequestParser:
        """The parser of the request after this one, fed with what has come of it.

        Raises:
            BadMessageError: what has come is no request.
        """
        parser = RequestParser()
        parser.feed(bytes(self._buffer))
        return parser

    def _opened(self, lines: list[str]) -> None:
        words = lines[0].split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[0].isalpha():
            raise BadMessageError(f"not an HTTP/1 request line: {lines[0][:60]!r}")
        self.method, self.target, version = words
        self._fields(lines[1:])
        self._ask_keep_alive(version)
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding:
            # Anything else, or a length beside it, leaves the end of the request to guesses.
            if coding != "chunked" or "content-length" in self.headers:
                raise BadMessageError(f"unusable Transfer-Encoding: {coding[:60]!r}")
            self._state = CHUNK_SIZE
        else:
            self._length_follows(self.headers.get("content-length", "0"))
            if self._remaining > _BODY_LIMIT_BYTES:
                raise TooLongError("request body is too long")
        expected = self.headers.get("expect", "").lower()
        self.wants_continue = expected == "100-continue" and self._state != DONE


def answer(status: int, *, keep_alive: bool) -> bytes:
    """A response without a body."""
    connection = "" if keep_alive else "Connection: close\r\n"
    reason = _REASONS.get(status, "")
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n{connection}\r\n".encode()
