"""Parsers of HTTP/1.1 messages; pure, no I/O (RFC 9112). That of requests is in http1_server.py.

Pure.
"""

from __future__ import annotations

_HEAD_LIMIT_BYTES = 64 * 1024
_BODY_LIMIT_BYTES = 8 * 1024 * 1024
_SIZE_DIGITS = frozenset(b"0123456789abcdefABCDEF")

_HEAD, _LENGTH, CHUNK_SIZE, _CHUNK, _CHUNK_END, _TRAILER, _UNTIL_CLOSE, DONE = range(8)


class BadMessageError(Exception):
    """The peer's bytes are no HTTP/1.x message of the kind that is due."""


class BadResponseError(BadMessageError):
    """The peer's bytes are no HTTP/1.x response."""


class MessageParser:
    """Parser of one message, whose bytes may come in any split; subclasses parse its first line.

    `headers` (by lower-case name, the last of several) and `body` are whole once `complete` is
    True; `keep_alive` tells whether the connection may carry another message.
    """

    __slots__ = ("_buffer", "_remaining", "_state", "body", "headers", "keep_alive")

    _NAME = "message"
    _ERROR: type[BadMessageError] = BadMessageError
    _BODY_LIMIT_BYTES = _BODY_LIMIT_BYTES

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._state = _HEAD
        self._remaining = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.keep_alive = True

    @property
    def complete(self) -> bool:
        """Whether the whole message has come."""
        return self._state == DONE

    def receive_data(self, data: bytes) -> None:
        """Parse more bytes.

        Raises:
            BadMessageError: they cannot be such a message, or exceed a limit.
        """
        self._buffer += data
        while self._step():
            pass
        if len(self.body) > self._BODY_LIMIT_BYTES:
            raise self._ERROR(f"{self._NAME} body is too long")

    def _step(self) -> bool:
        """Consume what the current state can; False where it needs more bytes."""
        if self._state == _HEAD:
            return self._consume_head()
        if self._state == _UNTIL_CLOSE:
            self._move_to_body(len(self._buffer))
            return False
        if self._state in (_LENGTH, _CHUNK):
            return self._consume_counted()
        if self._state in (CHUNK_SIZE, _CHUNK_END, _TRAILER):
            return self._consume_line()
        return False

    def _consume_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise self._ERROR(f"{self._NAME} head is too long")
            return False
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        self._parse_head(lines)
        return True

    def _parse_head(self, lines: list[str]) -> None:
        """Parse the head, whose last line has come, and set the state that follows."""
        raise NotImplementedError

    def _parse_fields(self, lines: list[str], version: str) -> None:
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            # With two lengths the end of the message is ambiguous (RFC 9112, section 6.3).
            if name == "content-length" and self.headers.get(name, value) != value:
                raise self._ERROR("two different Content-Length fields")
            self.headers[name] = value
        connection = self.headers.get("connection", "").lower()
        asked = [option.strip() for option in connection.split(",")]
        self.keep_alive = "close" not in asked and (version == "HTTP/1.1" or "keep-alive" in asked)

    def _expect_length(self, length: str) -> None:
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise self._ERROR(f"bad Content-Length: {length[:60]!r}")
        self._remaining = int(length)
        self._state = _LENGTH if self._remaining else DONE

    def _move_to_body(self, count: int) -> None:
        self.body += self._buffer[:count]
        del self._buffer[:count]

    def _consume_counted(self) -> bool:
        count = min(self._remaining, len(self._buffer))
        self._move_to_body(count)
        self._remaining -= count
        if self._remaining:
            return False
        if self._state == _LENGTH:
            self._state = DONE
            return False
        self._state = _CHUNK_END
        return True

    def _consume_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise self._ERROR("chunk size line is too long")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._state == _TRAILER:
            if not line:
                self._state = DONE
        elif self._state == _CHUNK_END:
            if line:
                raise self._ERROR(f"a chunk is longer than its size: {line[:60]!r}")
            self._state = CHUNK_SIZE
        else:
            self._expect_chunk(line)
        return True

    def _expect_chunk(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip()
        # int() accepts signs, underscores and 0x, too; fifteen digits exceed the limit anyway.
        if not size or len(size) > 15 or not _SIZE_DIGITS.issuperset(size):
            raise self._ERROR(f"bad chunk size: {line[:60]!r}")
        self._remaining = int(size, 16)
        if self._remaining > self._BODY_LIMIT_BYTES:
            raise self._ERROR(f"bad chunk size: {line[:60]!r}")
        self._state = _CHUNK if self._remaining else _TRAILER


class ResponseParser(MessageParser):
    """Parser of one response; see `MessageParser`. `status` is 0 until its status line has come.

    `to_connect` is for the response to CONNECT, which has no body if it is a success (RFC 9110,
    section 9.3.6).
    """

    __slots__ = ("_to_connect", "status")

    _NAME = "response"
    _ERROR = BadResponseError

    def __init__(self, *, to_connect: bool = False) -> None:
        super().__init__()
        self._to_connect = to_connect
        self.status = 0

    @property
    def started(self) -> bool:
        """Whether any byte of a response has come."""
        return self._state != _HEAD or bool(self._buffer) or self.status != 0

    @property
    def status_known(self) -> bool:
        """Whether the head of the final response has come, so that `status` is final."""
        return self._state != _HEAD

    def receive_data(self, data: bytes) -> None:
        """Parse more bytes. Raises `BadResponseError`."""
        super().receive_data(data)
        if self._state == DONE and self._buffer:
            # No request asked for what follows; the next response could not be told from it.
            self.keep_alive = False

    def end_of_stream(self) -> None:
        """The peer has closed the connection, which ends a body without a length.

        Raises:
            BadResponseError: the response is incomplete.
        """
        self.keep_alive = False
        if self._state == _UNTIL_CLOSE:
            self._state = DONE
        if self._state != DONE:
            raise BadResponseError("connection closed before the response was complete")

    def _parse_head(self, lines: list[str]) -> None:
        version, _, rest = lines[0].partition(" ")
        code, after = rest[:3], rest[3:4]
        known = version in ("HTTP/1.1", "HTTP/1.0") and len(code) == 3 and after in ("", " ")
        if not known or not (code.isascii() and code.isdigit() and code >= "100"):
            raise BadResponseError(f"not an HTTP/1 status line: {lines[0][:60]!r}")
        self.status = int(code)
        self._parse_fields(lines[1:], version)
        if self.status < 200:
            self.headers.clear()
            return
        length = self.headers.get("content-length")
        coding = self.headers.get("transfer-encoding", "").lower()
        if self.status in (204, 304) or (self._to_connect and self.status < 300):
            self._state = DONE
        elif coding:
            chunked = coding.rpartition(",")[2].strip() == "chunked"
            self._state = CHUNK_SIZE if chunked else _UNTIL_CLOSE
        elif length is None:
            self._state = _UNTIL_CLOSE
        else:
            self._expect_length(length)
