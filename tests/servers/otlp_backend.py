"""An OTLP/HTTP backend on raw sockets, so that it can also misbehave."""

from __future__ import annotations

import contextlib
import gzip
import threading
from typing import TYPE_CHECKING, NamedTuple

from tests.forwarder import encoded
from tests.servers.raw_http import WAIT_S, Server, read_request, reset

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterator

    from tests.servers.raw_http import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


class Export(NamedTuple):
    """One request, its body uncompressed, and the connection it came on, counted from 1."""

    request: Request
    body: bytes
    connection: int

    @property
    def signal(self) -> str:
        return self.request.path.rpartition("/")[2]

    def names(self) -> list[str]:
        """What its items are called."""
        return [item.name for item in encoded.found(self.signal, self.body)]


class Last(bytes):
    """A response after which the connection is closed."""


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """A response."""
    lines = [f"HTTP/1.1 {code} x", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class OtlpBackend(Server):
    """Keeps every export; `respond` says what each is answered with.

    `respond` gets the export and returns bytes to send, `Last` ones to close after, or None to
    reset the connection; it runs in the connection's thread and may block. `early`, if not empty,
    is sent before the body has come, and the connection closed.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.exports: list[Export] = []
        self.respond: Callable[[Export], bytes | None] = lambda _: OK
        self.early = b""
        self.handshakes_failed = 0
        self._context = context
        super().__init__()
        scheme = "https" if context else "http"
        # By name, as a certificate has it.
        self.url = f"{scheme}://localhost:{self.port}"

    def serve(self, connection: socket.socket, number: int) -> None:
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                with self.changed:
                    self.handshakes_failed += 1
                    self.changed.notify_all()
                raise
        with connection:
            self._talk(connection, number)

    def _talk(self, connection: socket.socket, number: int) -> None:
        if self.early:
            connection.recv(64)
            connection.sendall(self.early)
            return
        buffer = bytearray()
        while (request := read_request(connection, buffer)) is not None:
            compressed = request.headers.get("content-encoding") == "gzip"
            body = gzip.decompress(request.body) if compressed else request.body
            export = Export(request, body, number)
            with self.changed:
                self.exports.append(export)
                self.changed.notify_all()
            said = self.respond(export)
            if said is None:
                reset(connection)
                return
            connection.sendall(said)
            if isinstance(said, Last):
                return

    def names(self, signal: str = "traces") -> list[str]:
        """Names of the items of every export of `signal`, those answered with a failure too."""
        return [name for e in list(self.exports) if e.signal == signal for name in e.names()]

    def wait_for(self, count: int, timeout_s: float = WAIT_S) -> list[Export]:
        """The first `count` exports."""
        self.wait(lambda: len(self.exports) >= count, f"export number {count}", timeout_s)
        return self.exports[:count]


class Gate:
    """Blocks responses until it is opened, or for ever."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def wait(self) -> None:
        self._opened.wait(120)

    def __call__(self, _: Export) -> bytes:
        self.wait()
        return OK


class Script:
    """Responses in turn; the last goes on."""

    def __init__(self, *responses: bytes | None) -> None:
        self._responses = list(responses)
        self._lock = threading.Lock()

    def __call__(self, _: Export) -> bytes | None:
        with self._lock:
            if len(self._responses) > 1:
                return self._responses.pop(0)
            return self._responses[0]


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[OtlpBackend]:
    """A backend that is closed in the end."""
    backend = OtlpBackend(context)
    try:
        yield backend
    finally:
        backend.close()
