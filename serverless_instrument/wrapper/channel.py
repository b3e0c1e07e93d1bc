"""Unix-socket client of the forwarder: never blocks, never raises, counts what it drops.

A frame is in the kernel's buffer when `send` returns, so that nothing ended is lost with the
process. Only when the forwarder reads more slowly than the function writes do frames wait here, up
to a bound, for a thread that lives while there is something to wait for.
"""

from __future__ import annotations

import _socket
import _thread
from collections import deque
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PENDING_LIMIT_BYTES = 8 * 1024 * 1024
_SEND_BUFFER_BYTES = 4 * 1024 * 1024
# Without a forwarder a little is kept for one that is late; more would only grow the function.
_UNCONNECTED_LIMIT_BYTES = 256 * 1024
_RECONNECT_AFTER_S = 1.0
_WRITABLE_TIMEOUT_MS = 1000
# A thread that ended with the lock, as daemons do when the interpreter ends, never gives it back.
_LOCK_TIMEOUT_S = 0.05


class Channel:
    """One connection to the forwarder, made when first needed and again when it breaks.

    Args:
        path: the forwarder's socket.
        hello: makes the frame that opens a connection; called anew for each, as the process id
            changes over a fork.
        clock: monotonic seconds.
        pending_limit_bytes: how much may wait for a slow forwarder before the oldest is dropped.
    """

    def __init__(
        self,
        path: str,
        hello: Callable[[], bytes],
        clock: Callable[[], float] = monotonic,
        pending_limit_bytes: int = _PENDING_LIMIT_BYTES,
    ) -> None:
        self._path = path
        self._hello = hello
        self._clock = clock
        self._pending_limit_bytes = pending_limit_bytes
        self._socket: _socket.socket | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Start afresh in a forked child: the connection and what waits for it are the parent's."""
        if self._socket is not None:
            self._socket.close()  # the child's descriptor; the parent's stays open
        self._socket = None
        self.dropped_frames = 0
        self._told_frames = 0
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._current = b""
        self._offset = 0
        self._lock = _thread.RLock()  # for its owner: nothing is written from within a write
        self._draining = False
        self._connect_at = 0.0

    def send(self, data: bytes) -> None:
        """Hand over one or more whole frames."""
        if self._sent_at_once(data):
            return
        # Between reading and writing the sum stands no call, where CPython might run another thread
        # or a signal handler; so everywhere below.
        size = len(data)
        self._queue.append(data)
        self._queued_bytes += size
        self._pump()
        limit = self._pending_limit_bytes if self._socket else _UNCONNECTED_LIMIT_BYTES
        while self._queued_bytes > limit and self._drop_oldest():
            pass

    def _sent_at_once(self, data: bytes) -> bool:
        """Whether nothing stood before `data`, so that it is written, or `_current` and next."""
        if self._socket is None or self._queue or not self._acquire():
            return False
        try:
            if self._current:
                return False
            self._current = data
            self._write()
        finally:
            self._lock.release()
        if self._queue or self._current:
            self._pump()
        return True

    @property
    def connection(self) -> _socket.socket | None:
        """What the forwarder may answer on, if there is one."""
        return self._socket

    def connect(self) -> bool:
        """Connect and say HELLO now, so that the forwarder knows of this runtime; whether it is."""
        if self._acquire():
            try:
                self._connected()
            finally:
                self._lock.release()
        return self._socket is not None

    def adopt(self, connection: _socket.socket, path: str) -> None:
        """Use a connection that is made already, and `path` from now on for any other."""
        self._path = path
        connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection.setblocking(False)
        connection.send(self._hello(), _socket.MSG_NOSIGNAL)
        self._socket = connection

    def _drop_oldest(self) -> bool:
        try:
            data = self._queue.popleft()
        except IndexError:
            return False
        size = len(data)
        self._queued_bytes -= size
        self.dropped_frames += 1
        return True

    def _pump(self) -> None:
        """Write what is queued, unless an interrupted frame of this thread is at it.

        Whoever holds the lock looks at the queue again after releasing it.
        """
        while (self._queue or self._current) and self._acquire():
            try:
                going_on = self._write()
            finally:
                self._lock.release()
            if not going_on:
                return

    def _acquire(self) -> bool:
        """Take the lock; another thread that has it is waited for, as it never blocks itself.

        Not waiting would leave END to a thread that may not run again: the runtime client may hold
        the interpreter until the next invocation, or the process end. But a signal handler whose
        own thread has the lock would write into the middle of that thread's frame.
        """
        lock: Any = self._lock  # typeshed leaves out what threading.Condition uses, too
        return not lock._is_owned() and bool(lock.acquire(True, _LOCK_TIMEOUT_S))

    def _write(self) -> bool:
        """Write until the queue is empty or the connection broken (True), or nothing can be."""
        connection = self._connected()
        if connection is None:
            return False
        try:
            while True:
                if not self._current and not self._next_frame():
                    return True
                rest = memoryview(self._current)[self._offset :] if self._offset else self._current
                self._offset += connection.send(rest, _socket.MSG_NOSIGNAL)
                if self._offset == len(self._current):
                    self._current, self._offset = b"", 0
        except BlockingIOError:
            self._start_draining()
            return False
        except OSError:
            self._disconnect()
            return True
        except BaseException:  # of a signal handler: how much the socket took is not known
            self._disconnect()
            raise

    def _next_frame(self) -> bool:
        if not self._queue:  # nearly always, and cheaper than an exception
            return False
        if self.dropped_frames != self._told_frames:
            from serverless_instrument import wire

            dropped_frames = self.dropped_frames  # another thread may drop more meanwhile
            self._current = wire.dropped_frame(dropped_frames - self._told_frames)
            self._told_frames = dropped_frames
            return True
        try:
            self._current = self._queue.popleft()
        except IndexError:
            return False
        size = len(self._current)
        self._queued_bytes -= size
        return True

    def _connected(self) -> _socket.socket | None:
        if self._socket is not None:
            return self._socket
        now = self._clock()
        if now < self._connect_at:
            return None
        self._connect_at = now + _RECONNECT_AFTER_S
        connection = None
        try:
            connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            # A full backlog must not block: AF_UNIX connect waits for room on a blocking socket.
            connection.setblocking(False)
            connection.connect(self._path)
            hello = self._hello()
            if connection.send(hello, _socket.MSG_NOSIGNAL) != len(hello):
                connection.close()
                return None
        except Exception:  # OSError as a rule; a path or a resource of any kind must not raise here
            if connection is not None:
                connection.close()
            return None
        self._socket = connection
        return connection

    def _disconnect(self) -> None:
        """Close; a frame cut off in the middle is sent again, whole, on the next connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            try:
                # Wakes the thread that waits on it, which would keep it open.
                connection.shutdown(_socket.SHUT_RDWR)
            except OSError:  # the peer has gone already
                pass
            connection.close()
        self._offset = 0

    def _start_draining(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            _thread.start_new_thread(self._drain, ())
        except RuntimeError:  # no more threads to be had: the next send tries again
            self._draining = False

    def _drain(self) -> None:
        """Wait, in a thread of its own, for the socket to take more; end when nothing waits.

        `_draining` changes under the lock only, so that no frame is left to a thread that has seen
        its last. This thread may wait for the lock: signal handlers run in the main one.
        """
        from select import POLLOUT, poll

        while self._draining:
            connection = self._socket
            descriptor = -1 if connection is None else connection.fileno()
            if descriptor >= 0:
                poller = poll()
                poller.register(descriptor, POLLOUT)
                poller.poll(_WRITABLE_TIMEOUT_MS)
            with self._lock:
                going_on = self._write()
                self._draining = not going_on and self._socket is not None
        self._pump()  # what came while this thread held the lock
