"""HTTP/1.1 requests to our own listeners, and responses to them (RFC 9112). Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.http1 import CHUNK_SIZE, DONE, BadMessageError, MessageParser

# The Telemetry API posts up to twice its maxBytes with metadata on top, a control character of a
# line as six bytes (https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html). An OTLP
# request is as large as those that the forwarder sends.
BODY_LIMIT_BYTES = 4 * 1024 * 1024

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {413: "Content Too Large", 415: "Unsupported Media Type"}


class TooLongError(BadMessageError):
    """The body of a request is longer than `BODY_LIMIT_BYTES`."""


class RequestParser(MessageParser):
    """Parser of one request; `method` and `target` are "" until its request line has come.

    `wants_continue` is True where the client waits for `CONTINUE` before it sends the body (RFC
    9110, section 10.1.1).
    """

    __slots__ = ("method", "target", "wants_continue")

    _NAME = "request"
    _BODY_LIMIT_BYTES = BODY_LIMIT_BYTES

    def __init__(self) -> None:
        super().__init__()
        self.method = ""
        self.target = ""
        self.wants_continue = False

    @property
    def started(self) -> bool:
        """Whether any byte of the request has come."""
        return bool(self.method or self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Parse more bytes. Raises `BadMessageError`; for a long body alone, `TooLongError`."""
        try:
            super().receive_data(data)
        except BadMessageError:
            if len(self.body) > BODY_LIMIT_BYTES:
                raise TooLongError("request body is too long") from None
            raise

    def next_parser(self) -> RequestParser:
        """The parser of the request after this one, given what has come of it already.

        Raises:
            BadMessageError: what has come is no request.
        """
        parser = RequestParser()
        parser.receive_data(bytes(self._buffer))
        return parser

    def _parse_head(self, lines: list[str]) -> None:
        words = lines[0].split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[0].isalpha():
            raise BadMessageError(f"not an HTTP/1 request line: {lines[0][:60]!r}")
        self.method, self.target, version = words
        self._parse_fields(lines[1:], version)
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding:
            # Any other coding, or a length beside it, leaves the end of the request to guesses.
            if coding != "chunked" or "content-length" in self.headers:
                raise BadMessageError(f"unusable Transfer-Encoding: {coding[:60]!r}")
            self._state = CHUNK_SIZE
        else:
            self._expect_length(self.headers.get("content-length", "0"))
            if self._remaining > BODY_LIMIT_BYTES:
                raise TooLongError("request body is too long")
        expected = self.headers.get("expect", "").lower()
        self.wants_continue = expected == "100-continue" and self._state != DONE


def refusal_status(error: BadMessageError) -> int:
    """The status of the response to bytes that `RequestParser` refused with `error`."""
    return 413 if isinstance(error, TooLongError) else 400


def response(status: int, *, keep_alive: bool, content_type: str = "", body: bytes = b"") -> bytes:
    """A whole response; `keep_alive` False announces that the connection ends with it."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body
