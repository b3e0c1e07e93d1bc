"""The unix socket that runtimes connect to: bytes in and out.

Loaded before the register call, so it uses posix, which the interpreter has loaded anyway, and not
os, which would add a quarter to the instructions of the start.
"""

from __future__ import annotations

import _socket
import posix
import sys
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.intake import Session

_BACKLOG = 128
_READ_BYTES = 256 * 1024
_SO_PEERCRED = getattr(_socket, "SO_PEERCRED", 17)
_UCRED_BYTES = 12
# Errors that leave the connection waiting: accepting again at once would fail again.
_NO_RESOURCES = (EMFILE, ENFILE, ENOBUFS, ENOMEM)


def listen(path: str) -> tuple[_socket.socket | None, str]:
    """(listening socket, ""), or (None, the reason why there is none); never raises.

    The directory is made with mode 0700, so that only this user can connect or replace the socket;
    one that somebody else owns or can write to is refused.
    """
    directory = path.rpartition("/")[0] or "."
    listener = None
    try:
        try:
            posix.mkdir(directory, 0o700)
        except FileExistsError:
            status = posix.lstat(directory)
            if status.st_uid != posix.geteuid() or status.st_mode & 0o170077 != 0o040000:
                return None, (
                    f"nothing is received: {directory} is not a directory of this user's with "
                    "mode 0700; remove it, or set SERVERLESS_INSTRUMENT_SOCKET to a path in one"
                )
        try:
            posix.unlink(path)
        except FileNotFoundError:
            pass
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(path)
        posix.chmod(path, 0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        if listener is not None:
            listener.close()
        return None, (
            f"nothing is received: cannot listen on {path}: {error.strerror or error}; set "
            "SERVERLESS_INSTRUMENT_SOCKET to a path in a directory of this user's with mode 0700"
        )
    return listener, ""


def adopted(descriptor: int) -> _socket.socket:
    """The connection to the process that started this one: non-blocking, not inherited."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
    posix.set_inheritable(descriptor, False)
    connection.setblocking(False)
    return connection


class Connection:
    """One runtime process's connection and what is known of it."""

    __slots__ = ("_socket", "session")

    def __init__(self, connection: _socket.socket, session: Session) -> None:
        self._socket = connection
        self.session = session

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._socket.fileno()

    def read(self) -> bytes | None:
        """Bytes that have come, b"" at the end of the stream, None if there are none yet."""
        try:
            return self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """Send a few bytes if they can be sent now; they are of no use later."""
        try:
            self._socket.send(data, _socket.MSG_NOSIGNAL)
        except OSError:
            return

    def close(self) -> None:
        """Close the connection; the peer finds out at its next write."""
        self._socket.close()


def accept(listener: _socket.socket) -> _socket.socket | None:
    """The next connection of this user's own, None where there is none.

    A process of another user is refused by its credentials (unix(7), SO_PEERCRED).

    Raises:
        OSError: descriptors or memory ran out; the connection still waits to be accepted.
    """
    while True:
        try:
            descriptor, _ = listener._accept()  # type: ignore[attr-defined] # what socket.accept wraps
        except OSError as error:
            if error.errno in _NO_RESOURCES:
                raise
            return None
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
        if _credentials(connection)[1] == posix.geteuid():
            connection.setblocking(False)
            return connection
        connection.close()


def peer_pid(connection: _socket.socket) -> int:
    """The process that has connected, as this one sees it; 0 where it does not see it."""
    return max(0, _credentials(connection)[0])


def _credentials(connection: _socket.socket) -> tuple[int, int]:
    """(process id, user id) of the peer, -1 for what is not known."""
    try:
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, _UCRED_BYTES)
    except OSError:
        return -1, -1
    pid, uid = credentials[:4], credentials[4:8]
    return int.from_bytes(pid, sys.byteorder), int.from_bytes(uid, sys.byteorder)
