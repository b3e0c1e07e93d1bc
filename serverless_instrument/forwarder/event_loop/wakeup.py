"""What ends the event loop's waiting from outside of it: another thread, or a signal."""

from __future__ import annotations

import posix
from _signal import (  # type: ignore[import-not-found] # what signal wraps; that imports enum
    SIGINT,
    SIGTERM,
    set_wakeup_fd,
    signal,
)
from select import POLLIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from select import poll


class Wakeup:
    """A pipe that `poller` watches.

    Attributes:
        interrupted: whether SIGTERM or SIGINT has come; its reader sets it back.
    """

    __slots__ = ("_read", "_write", "interrupted")

    def __init__(self, poller: poll) -> None:
        self._read, self._write = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
        poller.register(self._read, POLLIN)
        self.interrupted = False

    def wake(self) -> None:
        """End the waiting; called from any thread."""
        try:
            posix.write(self._write, b"\0")
        except BlockingIOError:
            return

    def catch_signals(self) -> None:
        """Have SIGTERM and SIGINT end the waiting, instead of this process.

        Lambda sends none; whoever does gets what has been received, and an end.
        """
        for number in (SIGTERM, SIGINT):
            signal(number, self._interrupt)
        # A signal may come in the backend's thread, which would not end the loop's waiting.
        set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def _interrupt(self, *_: object) -> None:
        self.interrupted = True

    def read(self, ready: set[int]) -> bool:
        """Whether `wake` was called since the last time."""
        if self._read not in ready:
            return False
        posix.read(self._read, 4096)
        return True
