"""HTTP on raw sockets, for servers that can also misbehave."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 60.0


class Request(NamedTuple):
    """One request and when its head was complete (monotonic)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    received_s: float


def answer(status: int, document: object, headers: dict[str, str] | None = None) -> bytes:
    """A JSON response."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} x", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def read_request(connection: socket.socket, buffer: bytearray) -> Request | None:
    """The next request on a connection, None at its end; `buffer` keeps what is left over."""
    while b"\r\n\r\n" not in buffer:
        data = connection.recv(65536)
        if not data:
            return None
        buffer += data
    received_s = time.monotonic()
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    length = int(headers.get("content-length", "0"))
    while len(rest) < length:
        data = connection.recv(65536)
        if not data:
            return None
        rest += data
    buffer[:] = rest[length:]
    return Request(method, path, headers, rest[:length], received_s)


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Server:
    """Accepts connections on loopback, each served in a thread of its own."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self._open.add(connection)
            arguments = (connection, self.connections)
            threading.Thread(target=self._guarded, args=arguments, daemon=True).start()

    def _guarded(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.serve(connection, number)
        with self.changed:
            self._open.discard(connection)
        connection.close()

    def serve(self, connection: socket.socket, number: int) -> None:
        """Talk on connection `number`."""
        raise NotImplementedError

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
        """Wait until `condition` holds."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                raise AssertionError(f"{what}: not within {timeout_s} s")

    def close_connections(self) -> None:
        """Close every connection that is open, as a peer does with idle ones."""
        with self.changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Refuse connections from now on, and close those that there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()
