"""Connections of runtime processes: accepted, read, and closed."""

from __future__ import annotations

from select import POLLIN
from time import monotonic, time_ns

from serverless_instrument import wire
from serverless_instrument.forwarder.event_loop.lifecycle import PARENT_GONE, RUNTIME_GONE
from serverless_instrument.forwarder.intake import Session
from serverless_instrument.forwarder.runtime_socket import Connection, accept, adopted, peer_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from select import poll

    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.intake import Intake

_EARLY_FLUSH_BYTES = 1024 * 1024
_PAUSE_S = 1.0
# More than a socket's buffer holds: all that was written before the event came.
_READ_PER_TURN_BYTES = 4 * 1024 * 1024
_ACCEPT_PER_TURN = 64
# Lambda allows an environment 1,024 descriptors.
_MOST_CONNECTIONS = 512
_NEVER = float("inf")


class Connections:
    """Connections by descriptor, all watched by `poller`.

    Args:
        listener: non-blocking, or None where there is none.
        poller: its owner waits, and hands what is ready to `receive`.
        intake: reads what comes.
        delivery: has the batch that `intake` fills, sent early when it is large.
        report: see `Delivery`.

    Attributes:
        resume_at_s: when to call `resume_listening` (monotonic), infinity for never.
    """

    def __init__(
        self,
        listener: socket | None,
        poller: poll,
        intake: Intake,
        delivery: Delivery,
        report: Callable[[str, str], None],
    ) -> None:
        self._listener = listener
        self._poller = poller
        self._delivery = delivery
        self._report = report
        self._intake = intake
        self._open: dict[int, Connection] = {}
        self._parent_descriptor = -1
        self.resume_at_s = _NEVER
        if listener is not None:
            poller.register(listener.fileno(), POLLIN)

    def deadline_s(self) -> float:
        """The earliest deadline (seconds since the epoch) for which DEADLINE was not sent yet."""
        deadlines_ms = [
            invocation.deadline_unix_ms
            for connection in self._open.values()
            for invocation in connection.session.open_invocations.values()
            if invocation.deadline_unix_ms and not invocation.warned
        ]
        return min(deadlines_ms) / 1000 if deadlines_ms else _NEVER

    def send_deadline(self, until_s: float) -> None:
        """Send DEADLINE to every runtime with an invocation whose deadline is by `until_s`."""
        for connection in self._open.values():
            for invocation in connection.session.open_invocations.values():
                if 0 < invocation.deadline_unix_ms <= until_s * 1000 and not invocation.warned:
                    invocation.warned = True
                    connection.write(wire.frame(wire.DEADLINE, b""))

    def runtime_connected(self) -> bool:
        """Whether a runtime is connected, which will send END."""
        return any(connection.session.greeted for connection in self._open.values())

    def receive(self, ready: set[int]) -> list[str]:
        """Read from descriptors in `ready`; ended request ids, `RUNTIME_GONE`, `PARENT_GONE`."""
        if self._listener is not None and self._listener.fileno() in ready:
            ready = ready | self._accept(self._listener)
        happened: list[str] = []
        for descriptor in ready & self._open.keys():
            happened += self._read(descriptor, self._open[descriptor])
        return happened

    def receive_last(self) -> None:
        """Read what there is, and give up every open invocation: nothing more will come.

        Lambda has ended the runtime; a child of it may still hold its connection open.
        """
        listening = set() if self._listener is None else {self._listener.fileno()}
        self.receive(set(self._open) | listening)
        for connection in self._open.values():
            self._intake.close_session(connection.session, time_ns())

    def _accept(self, listener: socket) -> set[int]:
        """Accept connections that wait; their descriptors."""
        accepted = set()
        for _ in range(_ACCEPT_PER_TURN):
            try:
                incoming = accept(listener)
            except OSError as error:
                self._report("listener", f"cannot accept a connection: {error.strerror}")
                self._poller.unregister(listener.fileno())
                self.resume_at_s = monotonic() + _PAUSE_S
                break
            if incoming is None:
                break
            if len(self._open) >= _MOST_CONNECTIONS:
                self._report("listener", f"more than {_MOST_CONNECTIONS} connections: one refused")
                incoming.close()
                continue
            accepted.add(self._open_connection(incoming))
        return accepted

    def _open_connection(self, incoming: socket) -> int:
        connection = Connection(incoming, Session(peer_pid(incoming)))
        descriptor = connection.fileno()
        self._open[descriptor] = connection
        self._poller.register(descriptor, POLLIN)
        return descriptor

    def adopt_parent(self, descriptor: int) -> None:
        """Read from the runtime process that started this one; its end is `PARENT_GONE`."""
        self._parent_descriptor = self._open_connection(adopted(descriptor))

    def resume_listening(self, now_s: float) -> None:
        """Accept connections again, if descriptors were short and it is time to try."""
        if now_s >= self.resume_at_s and self._listener is not None:
            self.resume_at_s = _NEVER
            self._poller.register(self._listener.fileno(), POLLIN)

    def _read(self, descriptor: int, connection: Connection) -> list[str]:
        happened: list[str] = []
        room_bytes = _READ_PER_TURN_BYTES
        while room_bytes > 0:
            data = connection.read()
            if data is None:
                break
            room_bytes -= len(data)
            ended, defect = self._intake.read_frames(connection.session, data)
            happened += ended
            if self._delivery.batch.size_bytes >= _EARLY_FLUSH_BYTES:
                self._delivery.submit_batch()
            if defect:
                self._report("frames", f"closed a connection: {defect}")
            if defect or not data:
                happened += self._close_connection(descriptor, connection)
                break
        return happened

    def _close_connection(self, descriptor: int, connection: Connection) -> list[str]:
        self._poller.unregister(descriptor)
        del self._open[descriptor]
        connection.close()
        unfinished = self._intake.close_session(connection.session, time_ns())
        happened = [RUNTIME_GONE] if unfinished or not self.runtime_connected() else []
        if descriptor == self._parent_descriptor:
            self._parent_descriptor = -1
            happened.append(PARENT_GONE)
        return happened
