"""Client of the forwarder's Unix socket: never blocks, never raises, counts dropped frames.

When `send` returns, its frames are in the kernel's buffer, so that the end of the process loses no
finished span. Frames are queued only while the forwarder reads more slowly than the function
writes. The queue is bounded, and a thread that exists only while frames are queued writes them.
"""

from __future__ import annotations

from collections import deque

from serverless_instrument.wrapper.own_descriptor import NotOursError, OwnSocket
from serverless_instrument.wrapper.records.primitives import (
    RLock,
    monotonic,
    sleep,
    start_new_thread,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PENDING_LIMIT_BYTES = 8 * 1024 * 1024
# Limit of the queue without a forwarder, which may still start; a larger queue would only take the
# function's memory.
_UNCONNECTED_LIMIT_BYTES = 256 * 1024
_RECONNECT_AFTER_S = 1.0
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.001, 0.05
# A daemon thread that the interpreter ends while it holds the lock never releases it.
_LOCK_TIMEOUT_S = 0.05


class Channel:
    """One connection to the forwarder, opened when first needed and reopened when it breaks.

    Args:
        path: the forwarder's socket.
        hello: makes the HELLO frame, the first of a connection; called for each connection, because
            a fork changes the process id.
        clock: monotonic seconds.
        pending_limit_bytes: limit of the queue; above it the oldest frames are dropped.
    """

    def __init__(
        self,
        path: str,
        hello: Callable[[], bytes],
        clock: Callable[[], float] = monotonic,
        pending_limit_bytes: int = _PENDING_LIMIT_BYTES,
    ) -> None:
        self.path = path
        self._hello = hello
        self._clock = clock
        self._pending_limit_bytes = pending_limit_bytes
        self._socket: OwnSocket | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the connection and the queue in a forked child: both are the parent's."""
        if self._socket is not None:
            self._socket.release()  # the child's descriptor; the parent's stays open
        self._socket = None
        self.dropped_frames = 0
        self._reported_dropped_frames = 0
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._current = b""
        self._offset = 0
        self._lock = RLock()  # for its owner, which _acquire_lock looks at
        self._draining = False
        self._connect_at = 0.0

    def send(self, data: bytes) -> None:
        """Send `data`, one or more whole frames, or queue it."""
        if self._send_directly(data):
            return
        # The size is taken first: CPython may switch to another thread or a signal handler at a
        # call, so none stands between reading and writing the sum; likewise everywhere below.
        size = len(data)
        self._queue.append(data)
        self._queued_bytes += size
        self._write_queued()
        limit = self._pending_limit_bytes if self._socket else _UNCONNECTED_LIMIT_BYTES
        while self._queued_bytes > limit and self._drop_oldest():
            pass

    def _send_directly(self, data: bytes) -> bool:
        """Try to write `data` directly; False if anything is queued or the lock is taken.

        What the socket does not accept of it stays in `_current` and is written next.
        """
        if self._socket is None or self._queue or not self._acquire_lock():
            return False
        try:
            if self._current:
                return False
            self._current = data
            self._write()
        finally:
            self._lock.release()
        if self._queue or self._current:
            self._write_queued()
        return True

    @property
    def connection(self) -> OwnSocket | None:
        """The open connection, on which the forwarder may send frames; None without one."""
        return self._socket

    def connect(self) -> bool:
        """Connect and send HELLO now; whether there is a connection.

        A connection tells the forwarder that the runtime is instrumented.
        """
        if self._acquire_lock():
            try:
                self._open_connection()
            finally:
                self._lock.release()
        return self._socket is not None

    def adopt_connection(self, connection: OwnSocket, path: str) -> None:
        """Use the open `connection`, and `path` for every later one."""
        self.path = path
        connection.write(self._hello())
        self._socket = connection

    def _drop_oldest(self) -> bool:
        """Drop the first of the queue; False where another thread has emptied it."""
        try:
            data = self._queue.popleft()
        except IndexError:
            return False
        size = len(data)
        self._queued_bytes -= size
        self.dropped_frames += 1
        return True

    def _write_queued(self) -> None:
        """Write what is queued, unless the lock is taken.

        Each holder of the lock looks at the queue again after releasing it, so that a frame queued
        meanwhile is written.
        """
        while (self._queue or self._current) and self._acquire_lock():
            try:
                may_go_on = self._write()
            finally:
                self._lock.release()
            if not may_go_on:
                return

    def _acquire_lock(self) -> bool:
        """Take the lock; False if this thread holds it already, or after a timeout.

        Another thread that holds it is waited for, as it never blocks while it does. Otherwise END
        might be left to a thread that does not run again: the runtime client may keep the
        interpreter until the next invocation, or the process may end. This thread holds it where a
        signal handler has interrupted a write, in the middle of whose frame nothing may be written.
        """
        lock: Any = self._lock  # typeshed lacks _is_owned, which threading.Condition uses, too
        return not lock._is_owned() and bool(lock.acquire(True, _LOCK_TIMEOUT_S))

    def _write(self) -> bool:
        """Write until the queue is empty or the connection breaks (True); the caller has the lock.

        False if there is no connection, or the socket accepts no more for now.
        """
        connection = self._open_connection()
        if connection is None:
            return False
        try:
            while True:
                if not self._current and not self._next_frame():
                    return True
                rest = memoryview(self._current)[self._offset :] if self._offset else self._current
                self._offset += connection.write(rest)
                if self._offset == len(self._current):
                    self._current, self._offset = b"", 0
        except BlockingIOError:
            self._start_draining()
            return False
        except NotOursError:
            self._connect_at = 0.0  # the forwarder is there, most likely
            self._disconnect()
            return True
        except OSError:
            self._disconnect()
            return True
        except BaseException:  # of a signal handler: how much the socket accepted is not known
            self._disconnect()
            raise

    def _next_frame(self) -> bool:
        """Move the first of the queue, or a DROPPED frame before it, to `_current`."""
        if not self._queue:  # the usual case, and cheaper than an exception
            return False
        if self.dropped_frames != self._reported_dropped_frames:
            from serverless_instrument import wire

            dropped_frames = self.dropped_frames  # another thread may drop more meanwhile
            self._current = wire.dropped_frame(dropped_frames - self._reported_dropped_frames)
            self._reported_dropped_frames = dropped_frames
            return True
        try:
            self._current = self._queue.popleft()
        except IndexError:
            return False
        size = len(self._current)
        self._queued_bytes -= size
        return True

    def _open_connection(self) -> OwnSocket | None:
        """The connection, opened if need be, once a second at most; None where that fails."""
        if self._socket is not None:
            return self._socket
        now = self._clock()
        if now < self._connect_at:
            return None
        self._connect_at = now + _RECONNECT_AFTER_S
        connection = None
        try:
            connection = OwnSocket()
            connection.connect_at_once(self.path)
            hello = self._hello()
            if connection.write(hello) != len(hello):
                connection.release()
                return None
        except Exception:  # OSError as a rule; neither may a bad path or resource raise
            if connection is not None:
                connection.release()
            return None
        self._socket = connection
        return connection

    def _disconnect(self) -> None:
        """Close the connection; the next one sends a partly written frame again from its start."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.end_connection()
        self._offset = 0

    def _start_draining(self) -> None:
        """Start the thread that writes when the socket accepts more, unless it is running."""
        if self._draining:
            return
        self._draining = True
        try:
            start_new_thread(self._drain, ())
        except RuntimeError:  # no more threads can be started: the next send tries again
            self._draining = False

    def _drain(self) -> None:
        """Write, in a thread of its own, whenever the socket accepts more, until all is written.

        `_draining` is cleared under the lock only, so that no frame is left to a thread that is
        about to end. This thread may wait for the lock without a timeout: signal handlers run in
        the main thread.
        """
        wait_s = _SHORTEST_WAIT_S
        while self._draining:
            # No poll: while it waits, the descriptor may become another file's.
            sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            before = self._offset, len(self._queue)
            with self._lock:
                may_go_on = self._write()
                self._draining = not may_go_on and self._socket is not None
            if before != (self._offset, len(self._queue)):
                wait_s = _SHORTEST_WAIT_S
        self._write_queued()  # what was queued while this thread held the lock
