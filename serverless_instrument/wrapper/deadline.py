"""A thread that has the open spans sent shortly before an invocation's deadline.

The forwarder knows the deadline and writes one DEADLINE frame shortly before it. The thread waits
for that frame and then has the open spans and the stack of the handler's thread sent, in case the
invocation times out. It uses no timer and no signal, which the function may need, and does nothing
in an invocation that ends in time.
"""

from __future__ import annotations

import sys

from serverless_instrument import wire
from serverless_instrument.wrapper.records.primitives import start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from serverless_instrument.wrapper.own_descriptor import OwnSocket

_READ_BYTES = 4096


class DeadlineWatch:
    """Waits for DEADLINE frames, in a daemon thread for each connection.

    Args:
        send_open_spans: called in that thread for each DEADLINE.
    """

    def __init__(self, send_open_spans: Callable[[], None]) -> None:
        self._send_open_spans = send_open_spans
        self._watched: OwnSocket | None = None

    def watch(self, connection: OwnSocket | None) -> None:
        """Start a thread for `connection` unless it has one."""
        if connection is None or connection is self._watched:
            return
        self._watched = connection
        try:
            start_new_thread(self._wait, (connection,))
        except RuntimeError:  # no more threads can be started
            return

    def _wait(self, connection: OwnSocket) -> None:
        reader = wire.FrameReader()
        try:
            while connection.is_ours():
                data = connection.recv(_READ_BYTES)
                if not data:
                    return
                for kind, _ in reader.feed(data):
                    if kind == wire.DEADLINE:
                        self._send_open_spans()
        except Exception:  # closed, or the frames are malformed: the channel reopens it
            return


def stack_of(thread_id: int, boundary: str) -> str:
    """The stack of a thread as Python prints it, outermost call first; "" without such a thread.

    Args:
        thread_id: as `threading.get_ident` returns it.
        boundary: a file of ours; the stack begins below its innermost frame.
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
