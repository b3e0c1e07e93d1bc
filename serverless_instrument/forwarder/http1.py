"""HTTP/1.1 messages: bytes in, a response out; no I/O (RFC 9112). Requests: http1_server.py."""

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
    """One message, fed in any split; what a first line means is the subclass's.

    `complete` tells when `headers` (lower-case names, the last of several) and `body` are whole;
    `keep_alive` whether the connection may carry another.
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
        """Whether the whole message is here."""
        return self._state == DONE

    def feed(self, data: bytes) -> None:
        """Take more bytes.

        Raises:
            BadMessageError: they cannot be such a message, or are more than is reasonable.
        """
        self._buffer += data
        while self._step():
            pass
        if len(self.body) > self._BODY_LIMIT_BYTES:
            raise self._ERROR(f"{self._NAME} body is too long")

    def _step(self) -> bool:
        """Consume what the state can; False when it needs more bytes."""
        if self._state == _HEAD:
            return self._head()
        if self._state == _UNTIL_CLOSE:
            self._take(len(self._buffer))
            return False
        if self._state in (_LENGTH, _CHUNK):
            return self._counted()
        if self._state in (CHUNK_SIZE, _CHUNK_END, _TRAILER):
            return self._line()
        return False

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise self._ERROR(f"{self._NAME} head is too long")
            return False
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        self._opened(lines)
        return True

    def _opened(self, lines: list[str]) -> None:
        """The head is complete: set the state that follows."""
        raise NotImplementedError

    def _fields(self, lines: list[str]) -> None:
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            # Two lengths are two opinions of where the answer ends (RFC 9112, section 6.3).
            if name == "content-length" and self.headers.get(name, value) != value:
                raise self._ERROR("two different Content-Length fields")
            self.headers[name] = value

    def _ask_keep_alive(self, version: str) -> None:
        connection = self.headers.get("connection", "").lower()
        asked = [option.strip() for option in connection.split(",")]
        self.keep_alive = "close" not in asked and (version == "HTTP/1.1" or "keep-alive" in asked)

    def _length_follows(self, length: str) -> None:
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise self._ERROR(f"bad Content-Length: {length[:60]!r}")
        self._remaining = int(length)
        self._state = _LENGTH if self._remaining else DONE

    def _take(self, count: int) -> None:
        self.body += self._buffer[:count]
        del self._buffer[:count]

    def _counted(self) -> bool:
        count = min(self._remaining, len(self._buffer))
        self._take(count)
        self._remaining -= count
        if self._remaining:
            return False
        if self._state == _LENGTH:
            self._state = DONE
            return False
        self._state = _CHUNK_END
        return True

    def _line(self) -> bool:
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
            self._chunk_follows(line)
        return True

    def _chunk_follows(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip()
        # int() also takes signs, underscores and 0x; fifteen digits are past the limit anyway.
        if not size or len(size) > 15 or not _SIZE_DIGITS.issuperset(size):
            raise self._ERROR(f"bad chunk size: {line[:60]!r}")
        self._remaining = int(size, 16)
        if self._remaining > self._BODY_LIMIT_BYTES:
            raise self._ERROR(f"bad chunk size: {line[:60]!r}")
        self._state = _CHUNK if self._remaining else _TRAILER


class ResponseParser(MessageParser):
    """One response; see `MessageParser`. `status` is 0 before its first line.

    `to_connect` is for the answer to CONNECT, which has no body where it is a success (RFC 9110,
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
        """Whether any byte of an answer has come."""
        return self._state != _HEAD or bool(self._buffer) or self.status != 0

    @property
    def status_known(self) -> bool:
        """Whether the final response's head is here: what happened, if not all that is said."""
        return self._state != _HEAD

    def feed(self, data: bytes) -> None:
        """Take more bytes. Raises `BadResponseError`."""
        super().feed(data)
        if self._state == DONE and self._buffer:
            # Nobody asked for what follows: the next answer could not be told from it.
            self.keep_alive = False

    def end_of_stream(self) -> None:
        """The peer closed: completes a body that has no other end.

        Raises:
            BadResponseError: the response was cut off.
        """
        self.keep_alive = False
        if self._state == _UNTIL_CLOSE:
            self._state = DONE
        if self._state != DONE:
            raise BadResponseError("connection closed before the response was complete")

    def _opened(self, lines: list[str]) -> None:
        version, _, rest = lines[0].partition(" ")
        code, after = rest[:3], rest[3:4]
        known = version in ("HTTP/1.1", "HTTP/1.0") and len(code) == 3 and after in ("", " ")
        if not known or not (code.isascii() and code.isdigit() and code >= "100"):
            raise BadResponseError(f"not an HTTP/1 status line: {lines[0][:60]!r}")
        self.status = int(code)
        self._fields(lines[1:])
        if self.status < 200:
            self.headers.clear()
            return
        self._ask_keep_alive(version)
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
            self._length_follows(length)
