"""HTTP/1.1 requests: bytes in, a request out; no I/O (RFC 9112)."""

from __future__ import annotations

from serverless_instrument.forwarder.http1 import BadResponseError, ResponseParser


class BadRequestError(Exception):
    """The peer's bytes are no request that is served; `status` is the answer to it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestParser(ResponseParser):
    """One request, fed in any split; a body, counted or chunked, is read as a response's is.

    `complete` tells when `method`, `target`, `headers` and `body` are whole; `keep_alive` whether
    the peer wants to send another. `limit_bytes` is the longest body.
    """

    __slots__ = ("_limit_bytes", "method", "target")

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self._limit_bytes = limit_bytes
        self.method = ""
        self.target = ""

    def take(self, data: bytes) -> None:
        """Take more bytes.

        Raises:
            BadRequestError: they cannot be a request, or its body is longer than the limit.
        """
        self._buffer += data
        try:
            while self._step():
                pass
        except BadResponseError as error:
            raise BadRequestError(400, str(error)) from None
        if len(self.body) > self._limit_bytes:
            raise self._too_long()

    def rest(self) -> bytes:
        """What has come of the next request."""
        return bytes(self._buffer)

    def waits_for_continue(self) -> bool:
        """Whether the peer wants to be told to go on before it sends the body."""
        expects = self.headers.get("expect", "").lower() == "100-continue"
        return expects and self.status_known and not self.complete and not self.body

    def _too_long(self) -> BadRequestError:
        return BadRequestError(413, f"a body is at most {self._limit_bytes} bytes long")

    def _first_line(self, line: str) -> str:
        parts = line.split(" ")
        if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0") or not parts[1]:
            raise BadRequestError(400, "not an HTTP/1 request line")
        self.method, self.target, version = parts
        return version

    def _body_follows(self, version: str) -> None:
        counted, coded = "content-length" in self.headers, "transfer-encoding" in self.headers
        if counted and coded:
            # Two opinions of where the request ends (RFC 9112, section 6.1).
            raise BadRequestError(400, "both Content-Length and Transfer-Encoding")
        if coded and self.headers["transfer-encoding"].lower() != "chunked":
            raise BadRequestError(400, "a transfer coding other than chunked")
        if not counted and not coded:
            self.headers["content-length"] = "0"
        super()._body_follows(version)
        if self._remaining > self._limit_bytes:
            raise self._too_long()
