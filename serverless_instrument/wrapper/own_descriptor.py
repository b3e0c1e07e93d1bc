"""A socket that touches its descriptor only while that is still its own.

A function, or a child that it forks, may close every descriptor that it finds; the number is then
that of the next file which it opens. Right before each use the kernel is asked which socket the
number stands for (SO_COOKIE, socket(7)), which keeps the GIL. Another thread that does not need the
GIL may still close it between question and use: that window cannot be closed.
"""

from __future__ import annotations

from _socket import (
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    SHUT_RDWR,
    SO_SNDBUF,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)
from posix import close, dup2, fstat

from serverless_instrument.wrapper import records

_SO_COOKIE, _COOKIE_BYTES = 57, 8  # asm-generic/socket.h
_NUMBERS = range(512, 1024)
_SEND_BUFFER_BYTES = 4 * 1024 * 1024


class NotOursError(OSError):
    """The descriptor has been closed, and may be another file's."""


class OwnSocket(socket):
    """A stream socket with a number that functions hardly ever close.

    It blocks a reader: the system call stays with the file that it began with, whoever closes the
    descriptor meanwhile, and poll(2) does not. It never blocks a writer.

    Args:
        descriptor: of a unix socket, which it takes over; a new one if None.

    Raises:
        OSError: there is no descriptor left.
    """

    __slots__ = ("_cookie",)

    def __init__(self, descriptor: int | None = None) -> None:
        self._cookie = b""
        if descriptor is None:
            descriptor = socket(AF_UNIX, SOCK_STREAM).detach()
        super().__init__(AF_UNIX, SOCK_STREAM, 0, _moved_up(descriptor))
        self._cookie = _cookie_of(self)
        self.setsockopt(SOL_SOCKET, SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.setblocking(True)

    def connect_at_once(self, path: str) -> bool:
        """Connect to the listener at `path`, without waiting; whether there is one with room.

        Raises:
            OSError: `path` is too long.
        """
        self.setblocking(False)
        if self.connect_ex(path):
            return False
        self.setblocking(True)
        return True

    def is_ours(self) -> bool:
        """Whether the descriptor still stands for this socket."""
        try:
            return _cookie_of(self) == self._cookie
        except OSError as error:  # closed, or no socket
            if not records.is_ours(error):
                raise
            return False

    def write(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes of `data` at once; the number of bytes.

        Raises:
            BlockingIOError: it takes nothing for now.
            NotOursError: the descriptor is not ours any more.
            OSError: the connection has ended.
        """
        if not self.is_ours():
            raise NotOursError
        return self.send(data, MSG_DONTWAIT | MSG_NOSIGNAL)

    def release(self) -> None:
        """Close this process's descriptor, if it is ours; a forked child's peer stays connected."""
        if self.is_ours():
            self.close()
        else:
            self.detach()

    def end_connection(self) -> None:
        """Close the connection for every process, which wakes a thread that waits for it."""
        if self.is_ours():
            try:
                self.shutdown(SHUT_RDWR)
            except OSError as error:  # the peer has gone already
                if not records.is_ours(error):
                    raise
        self.release()

    def __del__(self) -> None:
        try:
            if self.fileno() >= 0:
                self.release()
        except Exception:  # the interpreter has cleared this module, and ends
            return


def _cookie_of(connection: socket) -> bytes:
    """The number of a socket that no other has had; b"" of every one where the kernel gives none.

    Raises:
        OSError: it is no socket.
    """
    try:
        return connection.getsockopt(SOL_SOCKET, _SO_COOKIE, _COOKIE_BYTES)
    except OSError as error:
        if not records.is_ours(error):
            raise
        connection.getsockopt(SOL_SOCKET, SO_SNDBUF)
        return b""


def _moved_up(descriptor: int) -> int:
    """A number above those that functions close in a row, or `descriptor` where there is none.

    fcntl(2) would choose one by itself, but its module costs a start 0.5 M instructions. The kernel
    gives the lowest free number to others, so that none of them gets this one in between.
    """
    for number in _NUMBERS:
        try:
            fstat(number)
        except OSError as error:  # it is free, or over the process's limit
            if not records.is_ours(error):
                raise
            try:
                dup2(descriptor, number, False)
            except OSError as refusal:
                if not records.is_ours(refusal):
                    raise
                return descriptor
            close(descriptor)
            return number
    return descriptor
