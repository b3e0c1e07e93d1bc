"""The least of an HTTP server: a thread for each connection, a timestamp for each request."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Request(NamedTuple):
    """One request: ``METHOD /path``, when its first byte arrived (monotonic), its body."""

    target: str
    received_s: float
    body: bytes


class Server:
    """Context manager; serves on `address` (``127.0.0.1:port``) until it is left."""

    def __init__(self) -> None:
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def answer(self, request: Request) -> bytes | None:
        """The whole response, None where there is none; called in the connection's thread."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (request := read_request(connection)) is not None:
                answer = self.answer(request)
                if answer is not None:
                    connection.sendall(answer)
        except OSError:
            return


def response(body: bytes, headers: bytes = b"") -> bytes:
    """A 200 with `body`; `headers` end with a line break each."""
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (_OK, headers, len(body), body)


def read_request(connection: socket.socket) -> Request | None:
    """The next request of a connection; None when the peer has closed it."""
    data = connection.recv(65536)
    received_s = time.monotonic()
    while data and b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        data = data + more if more else b""
    if not data:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    missing_bytes = _content_length(head) - len(body)
    while missing_bytes > 0 and (more := connection.recv(65536)):
        body += more
        missing_bytes -= len(more)
    return Request(head.split(b" HTTP/", 1)[0].decode(), received_s, body)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
