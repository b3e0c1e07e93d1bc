"""Client of the forwarder's Unix socket: never blocks, never raises, counts dropped frames.

When `send` returns, its frames are in the kernel's buffer, so that the end of the process loses no
finished span. Frames are queued only while the forwarder reads more slowly than the function
writes. The queue is bounded, and a thread that exists only while frames are queued writes them.
"""

from __future__ import annotations

from _socket import MSG_DONTWAIT, MSG_NOSIGNAL
from collections import deque
from sys import is_finalizing

from serverless_instrument.wrapper.own_descriptor import OwnSocket
from serverless_instrument.wrapper.records import is_ours
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
_FLAGS = (MSG_DONTWAIT | MSG_NOSIGNAL,)


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
        # Each is [frames, bytes of them that one write has sent, ...]; of the first only, as all
        # others wait. CPython runs signal handlers and switches threads when a call returns or a
        # loop goes back: what is counted and what is queued change without either between them.
        self._queue: deque[list[Any]] = deque()
        self._queued_bytes = 0
        # Taken by `with` only: an exception of a signal handler, which may come right after
        # `acquire()`, would leave it held. For its owner, which `_may_not_lock` looks at.
        self._lock = RLock()
        self._draining = False
        self._connect_at = 0.0

    def send(self, data: bytes) -> None:
        """Send `data`, one or more whole frames, or queue it."""
        size = len(data)
        self._queued_bytes += size
        self._queue.append([data])
        self._write_queued()
        if self._queue:
            self._drop_excess()

    @property
    def connection(self) -> OwnSocket | None:
        """The open connection, on which the forwarder may send frames; None without one."""
        return self._socket

    def connect(self) -> bool:
        """Connect and send HELLO now; whether there is a connection.

        A connection tells the forwarder that the runtime is instrumented.
        """
        if not self._may_not_lock():
            with self._lock:
                self._open_connection()
        return self._socket is not None

    def adopt_connection(self, connection: OwnSocket, path: str) -> None:
        """Use the open `connection`, and `path` for every later one."""
        self.path = path
        connection.write(self._hello())
        self._socket = connection

    def _drop_excess(self) -> None:
        """Drop the oldest frames over the queue's limit, but for one that is partly written."""
        limit = self._pending_limit_bytes if self._socket else _UNCONNECTED_LIMIT_BYTES
        if self._queued_bytes <= limit or self._may_not_lock():
            return
        with self._lock:
            queue = self._queue
            index = int(bool(queue) and len(queue[0]) > 1)
            if index:
                limit += len(queue[0][0])
            while self._queued_bytes > limit and index < len(queue):
                size = len(queue[index][0])
                self._queued_bytes -= size
                del queue[index]
                self.dropped_frames += 1

    def _write_queued(self) -> None:
        """Write what is queued, unless this thread is writing.

        Each holder of the lock looks at the queue again after releasing it, so that a frame queued
        meanwhile is written.
        """
        lock: Any = self._lock
        while self._queue:
            if lock._is_owned() or (is_finalizing() and self._may_not_lock()):
                return
            with lock:
                may_go_on = self._write()
            if not may_go_on:
                return

    def _may_not_lock(self) -> bool:
        """Whether this thread holds the lock already, or one that has ended does.

        Another thread that holds it is waited for, as it never blocks while it does. Otherwise END
        might be left to a thread that does not run again: the runtime client may keep the
        interpreter until the next invocation, or the process may end. This thread holds it where a
        signal handler has interrupted a write, in the middle of whose frame nothing may be written.
        """
        lock: Any = self._lock  # typeshed lacks _is_owned, which threading.Condition uses, too
        if not is_finalizing():
            return bool(lock._is_owned())
        # A daemon thread that the interpreter has ended meanwhile never releases it.
        if lock._is_owned() or not lock.acquire(blocking=False):
            return True
        lock.release()
        return False

    def _write(self) -> bool:
        """Write until the queue is empty or the connection breaks (True); the caller has the lock.

        False if there is no connection, or the socket accepts no more for now. An exception of a
        signal handler may end it anywhere: the next write goes on where it ended.
        """
        connection = self._open_connection()
        if connection is None:
            return False
        queue = self._queue
        try:
            while queue:
                if self.dropped_frames != self._reported_dropped_frames and len(queue[0]) == 1:
                    self._queue_dropped_frame()
                first = queue[0]
                rest = first[0]
                if len(first) > 1:
                    rest = memoryview(rest)[sum(first[1:]) :]
                if not connection.is_ours():
                    self._connect_at = 0.0  # the forwarder is there, most likely
                    self._disconnect()
                    return True
                # C code alone sends and keeps how much was sent, so that no exception of a signal
                # handler comes between the two.
                first.extend(map(connection.send, (rest,), _FLAGS))
                if first[-1] == len(rest):
                    size = len(first[0])
                    self._queued_bytes -= size
                    queue.popleft()
        except OSError as error:
            if not is_ours(error):
                raise
            if isinstance(error, BlockingIOError):
                self._start_draining()
                return False
            self._disconnect()
        return True

    def _queue_dropped_frame(self) -> None:
        """Put a DROPPED frame of what has been dropped since the last one before the queue."""
        from serverless_instrument import wire

        dropped_frames = self.dropped_frames
        frame = wire.dropped_frame(dropped_frames - self._reported_dropped_frames)
        size = len(frame)
        self._reported_dropped_frames = dropped_frames
        self._queued_bytes += size
        self._queue.appendleft([frame])

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
            is_connected = connection.connect_at_once(self.path)
            if not is_connected or not self._greet(connection):
                connection.release()
                return None
        except Exception as error:  # OSError as a rule; neither may a bad path or resource raise
            if connection is not None:
                connection.release()
            if not is_ours(error):
                self._connect_at = now
                raise
            return None
        self._restart_first()
        self._socket = connection
        return connection

    def _greet(self, connection: OwnSocket) -> bool:
        """Send HELLO; whether the kernel has taken all of it."""
        hello = self._hello()
        return connection.write(hello) == len(hello)

    def _restart_first(self) -> None:
        """Have a partly written frame sent again from its start, on another connection."""
        if self._queue and len(self._queue[0]) > 1:
            first = self._queue[0]
            size = len(first[0])
            if sum(first[1:]) == size:
                self._queued_bytes -= size
                self._queue.popleft()
            else:
                del first[1:]

    def _disconnect(self) -> None:
        """Close the connection; the next send opens another."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.end_connection()

    def _start_draining(self) -> None:
        """Start the thread that writes when the socket accepts more, unless it is running."""
        if self._draining:
            return
        self._draining = True
        try:
            start_new_thread(self._drain, ())
        except BaseException as error:
            # No more threads can be started, or a signal handler has raised: the next send tries
            # again. A thread that has been started all the same does no harm.
            self._draining = False
            if not isinstance(error, RuntimeError) or not is_ours(error):
                raise

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
            with self._lock:
                first = self._queue[0] if self._queue else []
                parts = len(first)
                may_go_on = self._write()
                self._draining = not may_go_on and self._socket is not None
                if not self._queue or self._queue[0] is not first or len(first) != parts:
                    wait_s = _SHORTEST_WAIT_S
        self._write_queued()  # what was queued while this thread held the lock
