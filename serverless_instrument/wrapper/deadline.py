"""What is open when an invocation's time is nearly up, for the case that it never ends.

The forwarder knows the deadline and writes one DEADLINE frame shortly before it; a thread that
waits for it ships the open spans and the stack of the handler's thread. No timer, no signal of the
function's is used, and nothing at all happens in an invocation that ends in time.
"""

from __future__ import annotations

import sys

from serverless_instrument import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from types import FrameType

_READ_BYTES = 4096


class DeadlineWatch:
    """Waits, in a daemon thread for each connection, for the forwarder's word.

    Args:
        tell: sends what is open; called in that thread.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._watched: socket | None = None

    def watch(self, connection: socket | None) -> None:
        """See that `connection` is waited on; cheap where it is already."""
        if connection is None or connection is self._watched:
            return
        self._watched = connection
        from _thread import start_new_thread

        try:
            start_new_thread(self._wait, (connection,))
        except RuntimeError:  # no more threads to be had
            return

    def _wait(self, connection: socket) -> None:
        from select import POLLIN, poll

        reader = wire.FrameReader()
        try:
            poller = poll()
            poller.register(connection.fileno(), POLLIN)
            while True:
                poller.poll()
                try:
                    data = connection.recv(_READ_BYTES)
                except BlockingIOError:
                    continue
                if not data:
                    return
                for kind, _ in reader.feed(data):
                    if kind == wire.DEADLINE:
                        self._tell()
        except Exception:  # closed, or not one of ours: the connection's owner sees to that
            return


def stack_of(thread_id: int, boundary: str) -> str:
    """The stack of a thread as Python prints it, outermost call first, "" where there is none.

    It begins below the innermost frame of the file `boundary`, which is ours.
    """
    from traceback import extract_stack, format_list

    frame: FrameType | None = sys._current_frames().get(thread_id)
    if frame is None:
        return ""
    entries = extract_stack(frame)
    for index in range(len(entries) - 1, -1, -1):
        if entries[index].filename == boundary:
            entries = entries[index + 1 :]  # type: ignore[assignment] # a list as well
            break
    return "".join(format_list(entries))
