"""The other end of a channel: a listening unix socket and what came over its connections."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from serverless_instrument import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Generous: only a failing test waits as long.
TIMEOUT_S = 60


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


class Connection:
    """An accepted connection and the frames read from it so far."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_S)
        self.socket = connection
        self.frames: list[tuple[int, bytes]] = []
        self._reader = wire.FrameReader()

    def read(self, count: int, piece_bytes: int = 1 << 20) -> list[tuple[int, bytes]]:
        """All frames, once there are `count` of them."""
        while len(self.frames) < count:
            data = self.socket.recv(piece_bytes)
            assert data, f"the stream ended after {len(self.frames)} of {count} frames"
            self.frames += self._reader.feed(data)
        return self.frames

    def read_to_end(self) -> list[tuple[int, bytes]]:
        while data := self.socket.recv(1 << 20):
            self.frames += self._reader.feed(data)
        return self.frames

    def close(self) -> None:
        self.socket.close()


class Peer:
    def __init__(self, path: str, backlog: int = 16) -> None:
        self.path = path
        self._connections: list[Connection] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(backlog)
        self.listener.settimeout(TIMEOUT_S)

    def accept(self) -> Connection:
        connection = Connection(self.listener.accept()[0])
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        self.listener.close()
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
