"""Composition root of the forwarder: one event loop, which carries out what the others decide."""

from __future__ import annotations

import os
import sys
from select import POLLIN, poll
from time import monotonic, sleep, time, time_ns

from serverless_instrument.forwarder import lifecycle, otlp_http
from serverless_instrument.forwarder.backend import Backend
from serverless_instrument.forwarder.batch import Batch
from serverless_instrument.forwarder.http1 import BadResponseError
from serverless_instrument.forwarder.intake import Intake, Session
from serverless_instrument.forwarder.receiver import Connection, accept
from serverless_instrument.forwarder.retry_queue import RetryQueue
from serverless_instrument.forwarder.runtime_api import NextPoll
from serverless_instrument.forwarder.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping

    from serverless_instrument.forwarder.batch import Export
    from serverless_instrument.forwarder.runtime_api import NextEvent, Registration

# Billed time that one flush may cost; what takes longer goes on after the next thaw.
_FLUSH_BUDGET_S = 1.0
# Lambda kills an extension at the SHUTDOWN deadline: leave before it.
_EXIT_MARGIN_S = 0.15
_OVERDUE_MARGIN_S = 0.5
_EARLY_FLUSH_BYTES = 1024 * 1024
_API_RETRY_S = 0.2
_IDLE_S = 3600.0


def say(message: str) -> None:
    """One line on stderr, which Lambda puts in the function's log."""
    try:
        sys.stderr.write(f"serverless-instrument: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def run(
    environ: Mapping[str, str],
    listener: socket | None,
    registration: Registration,
    problems: list[str],
) -> None:
    """Serve until SHUTDOWN, then exit 0; an error inside is said and survived.

    An extension that exits early takes the function's environment with it, so nothing here may.
    """
    settings = Settings(environ)
    for problem in [*problems, registration.problem, *settings.warnings]:
        if problem:
            say(problem)
    forwarder = Forwarder(settings, listener, registration)
    forwarder.start()
    while not forwarder.finished:
        try:
            forwarder.turn()
        except Exception as error:  # whatever it is, the next /next must still be asked for
            say(f"internal error, going on: {type(error).__name__}: {error}")
            sleep(_API_RETRY_S)
            forwarder.recover()
    # Threads may wait for a backend that never answers: leave without them.
    sys.stderr.flush()
    os._exit(0)


class Forwarder:
    """The event loop's state: descriptors, lifecycle, queues."""

    def __init__(
        self, settings: Settings, listener: socket | None, registration: Registration
    ) -> None:
        self.finished = False
        self._listener = listener
        self._registered = bool(registration.identifier)
        self._destinations = settings.destinations
        self._lifecycle = lifecycle.Lifecycle()
        self._batch = Batch()
        self._intake = Intake(self._batch)
        self._queue = RetryQueue()
        self._connections: dict[int, Connection] = {}
        self._next = NextPoll(registration)
        self._next_descriptor = -1
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._backend = Backend(settings.destinations, self._wake)
        self._poller = poll()
        self._poller.register(self._wake_read, POLLIN)
        if listener is not None:
            self._poller.register(listener.fileno(), POLLIN)
        self._act_at_s = 0.0
        self._overran = False
        self._reported = ""

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            return

    def start(self) -> None:
        """Ask for the first event, which ends this extension's share of init."""
        self._do(self._lifecycle.ready())

    def recover(self) -> None:
        """After an internal error: give up the flush that may have caused it."""
        self._batch.take()
        self._do(self._lifecycle.flushed())

    def turn(self) -> None:
        """Wait for something to happen and carry out what follows from it."""
        timeout_s = max(0.0, self._act_at_s - monotonic()) if self._act_at_s else _IDLE_S
        ready = {descriptor for descriptor, _ in self._poller.poll(int(timeout_s * 1000) + 1)}
        # Frames before the platform's word: a runtime speaks before it asks for its next event.
        self._receive(ready)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._settle()
        if self._next_descriptor in ready:
            self._event()
        if self._act_at_s and monotonic() >= self._act_at_s:
            self._time_is_up()

    def _receive(self, ready: set[int]) -> None:
        if self._listener is not None and self._listener.fileno() in ready:
            while True:
                accepted = accept(self._listener)
                if accepted is None:
                    break
                connection = Connection(accepted, Session())
                self._connections[connection.fileno()] = connection
                self._poller.register(connection.fileno(), POLLIN)
                ready.add(connection.fileno())
        for descriptor in ready & self._connections.keys():
            self._read(descriptor, self._connections[descriptor])
        if self._batch.size_bytes >= _EARLY_FLUSH_BYTES:
            self._submit(_FLUSH_BUDGET_S)

    def _read(self, descriptor: int, connection: Connection) -> None:
        while True:
            data = connection.read()
            if data is None:
                return
            defect = ""
            if data:
                ended, defect = self._intake.feed(connection.session, data)
                for request_id in ended:
                    self._do(self._lifecycle.ended(request_id))
            if defect:
                say(f"closed a connection: {defect}")
            if defect or not data:
                self._drop(descriptor, connection)
                return

    def _drop(self, descriptor: int, connection: Connection) -> None:
        self._poller.unregister(descriptor)
        del self._connections[descriptor]
        connection.close()
        unfinished = self._intake.closed(connection.session, time_ns())
        if unfinished or not self._runtime_connected():
            self._do(self._lifecycle.runtime_gone())

    def _runtime_connected(self) -> bool:
        return any(connection.session.greeted for connection in self._connections.values())

    def _event(self) -> None:
        try:
            event = self._next.receive()
        except (OSError, ValueError, BadResponseError) as error:
            self._forget_next()
            self._report(f"next failed: {error}")
            self._act_at_s = monotonic() + _API_RETRY_S
            return
        if event is None:
            return
        self._forget_next(keep=True)
        if event.kind == "SHUTDOWN":
            self._shutdown(event)
        elif event.kind == "INVOKE":
            self._invoke(event)
        else:
            self._ask_next()

    def _forget_next(self, *, keep: bool = False) -> None:
        if self._next_descriptor >= 0:
            self._poller.unregister(self._next_descriptor)
            self._next_descriptor = -1
        if not keep:
            self._next.close()

    def _invoke(self, event: NextEvent) -> None:
        connected = self._runtime_connected()
        action = self._lifecycle.invoke(event.request_id, runtime_connected=connected)
        if event.deadline_ms:
            left_s = event.deadline_ms / 1000 - time()
            self._act_at_s = monotonic() + max(0.0, left_s) + _OVERDUE_MARGIN_S
        self._do(action)

    def _shutdown(self, event: NextEvent) -> None:
        self._receive(set(self._connections) | self._listening())
        left_s = event.deadline_ms / 1000 - time() if event.deadline_ms else _FLUSH_BUDGET_S
        budget_s = max(0.05, left_s - _EXIT_MARGIN_S)
        self._act_at_s = monotonic() + budget_s
        if self._lifecycle.shutdown() == lifecycle.DRAIN:
            self._submit(budget_s, insist=True)
            self._flush_ended()

    def _listening(self) -> set[int]:
        return set() if self._listener is None else {self._listener.fileno()}

    def _do(self, action: str) -> None:
        if action == lifecycle.NEXT:
            self._act_at_s = 0.0
            self._ask_next()
        elif action == lifecycle.FLUSH:
            self._act_at_s = monotonic() + _FLUSH_BUDGET_S
            self._submit(_FLUSH_BUDGET_S)
            # A request that overran an earlier flush has had its share of billed time.
            if self._overran or not self._backend.in_flight:
                self._do(self._lifecycle.flushed())
        elif action == lifecycle.FLUSH_ASIDE:
            self._submit(_FLUSH_BUDGET_S)
        elif action == lifecycle.EXIT:
            self._say_losses()
            self.finished = True

    def _ask_next(self) -> None:
        if not self._registered:
            return
        try:
            self._next_descriptor = self._next.begin()
        except (OSError, ValueError) as error:
            self._next.close()
            self._report(f"next failed: {error}")
            self._act_at_s = monotonic() + _API_RETRY_S
            return
        self._poller.register(self._next_descriptor, POLLIN)

    def _time_is_up(self) -> None:
        self._act_at_s = 0.0
        state = self._lifecycle.state
        if state == lifecycle.WAITING and self._next_descriptor < 0:
            self._ask_next()
        elif state == lifecycle.INVOKED:
            self._do(self._lifecycle.overdue())
        elif state in (lifecycle.FLUSHING, lifecycle.DRAINING):
            self._overran = self._backend.in_flight > 0
            self._do(self._lifecycle.flushed())

    def _submit(self, budget_s: float, *, insist: bool = False) -> None:
        """Hand everything that waits to the backend's thread."""
        for export in self._batch.take():
            if export.signal in self._destinations:
                self._queue.add(export)
        now_s = monotonic()
        for export in self._queue.take(now_s, insist=insist):
            self._backend.submit(export, now_s + budget_s)

    def _settle(self) -> None:
        """Take note of what became of exports."""
        for export, outcome in self._backend.results():
            if outcome.kind == otlp_http.DELIVERED:
                self._queue.delivered()
                self._reported = ""
            elif outcome.kind == otlp_http.RETRY:
                self._keep(export, outcome.reason, outcome.retry_after_s)
            else:
                self._queue.dropped += export.count
                self._report(f"{export.count} {export.signal} items refused: {outcome.reason}")
        self._flush_ended()

    def _keep(self, export: Export, reason: str, retry_after_s: float | None) -> None:
        random = os.urandom(1)[0] / 255
        self._queue.failed(export, monotonic(), random, retry_after_s)
        self._report(f"the backend is out of reach, {export.signal} are kept: {reason}")

    def _flush_ended(self) -> None:
        if self._backend.in_flight == 0:
            self._overran = False
            self._do(self._lifecycle.flushed())

    def _report(self, message: str) -> None:
        """Say `message` unless it is what was said last."""
        if message != self._reported:
            self._reported = message
            say(message)

    def _say_losses(self) -> None:
        unsent = sum(export.count for export in self._queue.take(monotonic(), insist=True))
        unsent += self._queue.dropped + self._backend.in_flight
        if unsent:
            say(f"{unsent} items were not delivered")
