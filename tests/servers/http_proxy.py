"""An HTTP proxy for tests: CONNECT and absolute-form requests, names resolved by a table."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

from tests.servers.raw_http import Server

if TYPE_CHECKING:
    from collections.abc import Iterator


class HttpProxy(Server):
    """Sends everything for a name in `names` to that port of this machine.

    `refuse`, if not empty, is the answer to everything; `seen` are the heads of all requests.
    """

    def __init__(self, names: dict[str, int]) -> None:
        self.names = names
        self.refuse = b""
        self.seen: list[str] = []
        super().__init__()

    def serve(self, connection: socket.socket, number: int) -> None:
        del number
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        self.seen.append(head.decode("latin-1"))
        if self.refuse:
            connection.sendall(self.refuse)
            return
        method, target, _ = self.seen[-1].split("\r\n")[0].split(" ")
        authority = target if method == "CONNECT" else target.split("/")[2]
        name = authority.rpartition(":")[0] or authority
        if name not in self.names:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("localhost", self.names[name])) as onward:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                onward.sendall(data.replace(f"http://{authority}".encode(), b"", 1))
                rest = b""
            onward.sendall(rest)
            _pass_on(connection, onward)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


@contextlib.contextmanager
def serving(names: dict[str, int]) -> Iterator[HttpProxy]:
    """A proxy that is closed in the end."""
    proxy = HttpProxy(names)
    try:
        yield proxy
    finally:
        proxy.close()
