"""The unix socket that runtimes connect to; reads bytes, decides nothing."""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.intake import Session

_BACKLOG = 128
_READ_BYTES = 256 * 1024
_SO_PEERCRED = getattr(_socket, "SO_PEERCRED", 17)
_UCRED_BYTES = 12


def listen(path: str) -> tuple[_socket.socket | None, str]:
    """(listening socket, ""), or (None, the reason why there is none); never raises.

    The directory is made with mode 0700, so that only this user can connect or replace the socket;
    one that somebody else owns or can write to is refused.
    """
    directory = os.path.dirname(path)
    try:
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            status = os.lstat(directory)
            if status.st_uid != os.geteuid() or status.st_mode & 0o170077 != 0o040000:
                return None, f"{directory} is not a directory of this user's with mode 0700"
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        return None, f"cannot listen on {path}: {error.strerror or error}"
    return listener, ""


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
        """Bytes that have come, b"" at the end of the stream, None where there are none yet."""
        try:
            return self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def close(self) -> None:
        """Close the connection; the peer finds out at its next write."""
        self._socket.close()


def accept(listener: _socket.socket) -> _socket.socket | None:
    """The next connection of this user's own, None where there is none.

    A process of another user is refused by its credentials (unix(7), SO_PEERCRED).
    """
    while True:
        try:
            descriptor, _ = listener._accept()  # type: ignore[attr-defined] # what socket.accept wraps
        except OSError:
            return None
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, _UCRED_BYTES)
        if int.from_bytes(credentials[4:8], sys.byteorder) == os.geteuid():
            connection.setblocking(False)
            return connection
        connection.close()
