"""Every runtime's connection: lets them in, and brings what they send to the batch."""

from __future__ import annotations

from select import POLLIN
from time import monotonic, time_ns

from serverless_instrument import wire
from serverless_instrument.forwarder.intake import Intake, Session
from serverless_instrument.forwarder.runtime_socket import Connection, accept, adopted, peer_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from select import poll

    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.faas_metrics.enhanced_metrics import EnhancedMetrics
    from serverless_instrument.forwarder.faas_metrics.proc_stats import Reader
    from serverless_instrument.forwarder.faas_metrics.recorder import FaasMetrics
    from serverless_instrument.forwarder.outcomes.outcomes import Endings
    from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake

# Among the request ids that ended: the last runtime is gone, or one with an invocation unfinished.
RUNTIME_GONE = "(runtime gone)"
# The runtime process that started this one is gone.
PARENT_GONE = "(parent gone)"

_EARLY_FLUSH_BYTES = 1024 * 1024
_LISTEN_AGAIN_S = 1.0
# More than a socket's buffer holds: all that was written before the platform spoke.
_READ_PER_TURN_BYTES = 4 * 1024 * 1024
_ACCEPT_PER_TURN = 64
# Lambda allows an environment 1,024 descriptors.
_LIMIT = 512
_NEVER = float("inf")


class Connections:
    """Connections by descriptor, all watched by `poller`.

    Args:
        listener: non-blocking, or None where there is none.
        poller: its owner waits, and hands what is ready to `receive`.
        delivery: takes the telemetry.
        report: see `Delivery`.
    """

    def __init__(
        self,
        listener: socket | None,
        poller: poll,
        delivery: Delivery,
        report: Callable[[str, str], None],
    ) -> None:
        self._listener = listener
        self._poller = poller
        self._delivery = delivery
        self._report = report
        self._intake = Intake(delivery.batch)
        self._open: dict[int, Connection] = {}
        self._parent_descriptor = -1
        # When to call `listen_again` (monotonic).
        self.listen_at_s = _NEVER
        if listener is not None:
            poller.register(listener.fileno(), POLLIN)

    def tell(self, logs: LogIntake, endings: Endings) -> None:
        """Let these know what frames say of lines and requests."""
        self._intake.logs = logs
        self._intake.endings = endings

    def measure(self, faas: FaasMetrics, reader: Reader, enhanced: EnhancedMetrics | None) -> None:
        """Let these know whose invocations begin and end."""
        self._intake.faas = faas
        self._intake.reader = reader
        self._intake.enhanced = enhanced

    def deadline_s(self) -> float:
        """The earliest deadline (wall clock) of a running request that has not been warned."""
        deadlines_ms = [
            left.deadline_unix_ms
            for connection in self._open.values()
            for left in connection.session.open_requests.values()
            if left.deadline_unix_ms and not left.warned
        ]
        return min(deadlines_ms) / 1000 if deadlines_ms else _NEVER

    def warn(self, until_s: float) -> None:
        """Say DEADLINE to every runtime with a request whose time is up by `until_s`."""
        for connection in self._open.values():
            for left in connection.session.open_requests.values():
                if 0 < left.deadline_unix_ms <= until_s * 1000 and not left.warned:
                    left.warned = True
                    connection.write(wire.frame(wire.DEADLINE, b""))

    def runtime_connected(self) -> bool:
        """Whether anybody is there to say END."""
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
        """Read what there is, and close every invocation: nothing more will come.

        Lambda has ended the runtime; a child of it may still hold its connection open.
        """
        listening = set() if self._listener is None else {self._listener.fileno()}
        self.receive(set(self._open) | listening)
        for connection in self._open.values():
            self._intake.closed(connection.session, time_ns())

    def _accept(self, listener: socket) -> set[int]:
        """Let in who waits; their descriptors."""
        accepted = set()
        for _ in range(_ACCEPT_PER_TURN):
            try:
                incoming = accept(listener)
            except OSError as error:
                self._report("listener", f"cannot accept a connection: {error.strerror}")
                self._poller.unregister(listener.fileno())
                self.listen_at_s = monotonic() + _LISTEN_AGAIN_S
                break
            if incoming is None:
                break
            if len(self._open) >= _LIMIT:
                self._report("listener", f"more than {_LIMIT} connections: one refused")
                incoming.close()
                continue
            accepted.add(self._add(incoming))
        return accepted

    def _add(self, incoming: socket) -> int:
        connection = Connection(incoming, Session(peer_pid(incoming)))
        descriptor = connection.fileno()
        self._open[descriptor] = connection
        self._poller.register(descriptor, POLLIN)
        return descriptor

    def adopt_parent(self, descriptor: int) -> None:
        """Read from the runtime process that started this one; its end is `PARENT_GONE`."""
        self._parent_descriptor = self._add(adopted(descriptor))

    def listen_again(self, now_s: float) -> None:
        """Watch the listener again if it is time."""
        if now_s >= self.listen_at_s and self._listener is not None:
            self.listen_at_s = _NEVER
            self._poller.register(self._listener.fileno(), POLLIN)

    def _read(self, descriptor: int, connection: Connection) -> list[str]:
        happened: list[str] = []
        room_bytes = _READ_PER_TURN_BYTES
        while room_bytes > 0:
            data = connection.read()
            if data is None:
                break
            room_bytes -= len(data)
            ended, defect = self._intake.feed(connection.session, data)
            happened += ended
            if self._delivery.batch.size_bytes >= _EARLY_FLUSH_BYTES:
                self._delivery.submit_batch()
            if defect:
                self._report("frames", f"closed a connection: {defect}")
            if defect or not data:
                happened += self._drop(descriptor, connection)
                break
        return happened

    def _drop(self, descriptor: int, connection: Connection) -> list[str]:
        self._poller.unregister(descriptor)
        del self._open[descriptor]
        connection.close()
        unfinished = self._intake.closed(connection.session, time_ns())
        happened = [RUNTIME_GONE] if unfinished or not self.runtime_connected() else []
        if descriptor == self._parent_descriptor:
            self._parent_descriptor = -1
            happened.append(PARENT_GONE)
        return happened
