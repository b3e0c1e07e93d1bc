"""Composition root of the forwarder: one event loop, which carries out what the others decide."""

from __future__ import annotations

import posix
import sys
from _signal import (  # type: ignore[import-not-found] # what signal wraps; that imports enum
    SIGINT,
    SIGTERM,
    set_wakeup_fd,
    signal,
)
from select import POLLIN, poll
from time import monotonic, sleep, time, time_ns

from serverless_instrument.forwarder import lifecycle
from serverless_instrument.forwarder.delivery import Delivery
from serverless_instrument.forwarder.http1 import BadResponseError
from serverless_instrument.forwarder.intake import Intake, Session
from serverless_instrument.forwarder.receiver import Connection, accept, adopted
from serverless_instrument.forwarder.runtime_api import NextPoll
from serverless_instrument.forwarder.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping

    from serverless_instrument.forwarder.runtime_api import NextEvent, Registration

# Billed time that one flush may cost; what takes longer goes on after the next thaw.
_FLUSH_BUDGET_S = 1.0
# Lambda kills an extension at the SHUTDOWN deadline: leave before it. Two seconds are all that
# Lambda gives; a deadline further off is a defect.
_EXIT_MARGIN_S = 0.15
_LONGEST_DRAIN_S = 5.0
_OVERDUE_MARGIN_S = 0.5
_EARLY_FLUSH_BYTES = 1024 * 1024
_RETRY_S = 0.2
_LISTEN_AGAIN_S = 1.0
# More than a socket's buffer holds: all that was written before the platform spoke.
_READ_PER_TURN_BYTES = 4 * 1024 * 1024
_ACCEPT_PER_TURN = 64
# Lambda allows an environment 1,024 descriptors.
_CONNECTIONS_LIMIT = 512
_IDLE_S = 3600.0
_NEVER = float("inf")


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
            forwarder.report("internal", f"internal error, going on: {_text(error)}")
            sleep(_RETRY_S)
            forwarder.recover()
    # Threads may wait for a backend that never answers: leave without them.
    sys.stderr.flush()
    posix._exit(0)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class Forwarder:
    """The event loop's state: descriptors, lifecycle, deadlines."""

    def __init__(
        self, settings: Settings, listener: socket | None, registration: Registration
    ) -> None:
        self.finished = False
        self._listener = listener
        self._registered = bool(registration.identifier)
        self._lifecycle = lifecycle.Lifecycle()
        self._reported: dict[str, str] = {}
        self._wake_read, self._wake_write = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
        self._delivery = Delivery(settings.destinations, self._wake, self.report)
        self._intake = Intake(self._delivery.batch)
        self._connections: dict[int, Connection] = {}
        self._next = NextPoll(registration)
        self._next_descriptor = -1
        self._next_failures = 0
        self._poller = poll()
        self._poller.register(self._wake_read, POLLIN)
        if listener is not None:
            self._poller.register(listener.fileno(), POLLIN)
        self._parent_descriptor = registration.runtime_descriptor
        if self._parent_descriptor >= 0:
            self._add(adopted(self._parent_descriptor))
        # When the invocation is overdue, or the flush or the drain has had its time.
        self._act_at_s = _NEVER
        # When to ask for /next once more, or to repeat what a drain could not deliver.
        self._retry_at_s = _NEVER
        self._listen_at_s = _NEVER
        self._overran = False
        self._interrupted = False

    def _wake(self) -> None:
        try:
            posix.write(self._wake_write, b"\0")
        except BlockingIOError:
            return

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True

    def report(self, subject: str, message: str) -> None:
        """Say `message` unless it is what was said last of `subject`; "" forgets that."""
        if message and message != self._reported.get(subject):
            say(message)
        self._reported[subject] = message

    def start(self) -> None:
        """Ask for the first event, which ends this extension's share of init."""
        # Lambda sends no signals; whoever does gets what has been received, and an end.
        for number in (SIGTERM, SIGINT):
            signal(number, self._interrupt)
        # A signal may come in the backend's thread, which would not end the loop's waiting.
        set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._do(self._lifecycle.ready())
        self._delivery.warm_up()

    def recover(self) -> None:
        """After an internal error: give up what may have caused it, and see that /next is asked."""
        self._delivery.give_up_batch()
        self._do(self._lifecycle.flushed())
        if self._lifecycle.state == lifecycle.WAITING and self._next_descriptor < 0:
            self._retry_at_s = monotonic() + _RETRY_S

    def turn(self) -> None:
        """Wait for something to happen and carry out what follows from it."""
        wait_s = min(self._act_at_s, self._retry_at_s, self._listen_at_s) - monotonic()
        timeout_ms = int(min(max(wait_s, 0.0), _IDLE_S) * 1000) + 1
        ready = {descriptor for descriptor, _ in self._poller.poll(timeout_ms)}
        # Frames before the platform's word: a runtime speaks before it asks for its next event.
        self._receive(ready)
        if self._wake_read in ready:
            posix.read(self._wake_read, 4096)
            self._delivery.settle()
            self._flush_ended()
        if self._next_descriptor in ready:
            self._event()
        if self._interrupted:
            self._interrupted = False
            self._shutdown(_FLUSH_BUDGET_S)
        self._look_at_the_clock()

    def _receive(self, ready: set[int]) -> None:
        if self._listener is not None and self._listener.fileno() in ready:
            ready |= self._accept(self._listener)
        for descriptor in ready & self._connections.keys():
            self._read(descriptor, self._connections[descriptor])

    def _accept(self, listener: socket) -> set[int]:
        """Let in who waits; their descriptors."""
        accepted = set()
        for _ in range(_ACCEPT_PER_TURN):
            try:
                incoming = accept(listener)
            except OSError as error:
                self.report("listener", f"cannot accept a connection: {error.strerror}")
                self._poller.unregister(listener.fileno())
                self._listen_at_s = monotonic() + _LISTEN_AGAIN_S
                break
            if incoming is None:
                break
            if len(self._connections) >= _CONNECTIONS_LIMIT:
                self.report("listener", f"more than {_CONNECTIONS_LIMIT} connections: one refused")
                incoming.close()
                continue
            accepted.add(self._add(incoming))
        return accepted

    def _add(self, incoming: socket) -> int:
        connection = Connection(incoming, Session())
        descriptor = connection.fileno()
        self._connections[descriptor] = connection
        self._poller.register(descriptor, POLLIN)
        return descriptor

    def _read(self, descriptor: int, connection: Connection) -> None:
        room_bytes = _READ_PER_TURN_BYTES
        while room_bytes > 0:
            data = connection.read()
            if data is None:
                return
            room_bytes -= len(data)
            defect = ""
            if data:
                ended, defect = self._intake.feed(connection.session, data)
                for request_id in ended:
                    self._do(self._lifecycle.ended(request_id))
                if self._delivery.batch.size_bytes >= _EARLY_FLUSH_BYTES:
                    self._delivery.submit()
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
        if descriptor == self._parent_descriptor:
            # An internal extension is told no SHUTDOWN; it is over with its runtime.
            self._parent_descriptor = -1
            self._shutdown(_FLUSH_BUDGET_S)

    def _runtime_connected(self) -> bool:
        return any(connection.session.greeted for connection in self._connections.values())

    def _event(self) -> None:
        try:
            event = self._next.receive()
        except (OSError, ValueError, BadResponseError) as error:
            self._forget_next()
            self._next_failed(error)
            return
        if event is None:
            return
        self._forget_next(keep=True)
        self._next_failures = 0
        self.report("next", "")
        if event.kind == "INVOKE":
            self._invoke(event)
        elif event.kind == "SHUTDOWN":
            left_s = event.deadline_ms / 1000 - time() if event.deadline_ms else _FLUSH_BUDGET_S
            self._shutdown(left_s - _EXIT_MARGIN_S)
        else:
            self._next_failed(ValueError(f"unknown event {event.kind[:40]!r}"))

    def _forget_next(self, *, keep: bool = False) -> None:
        if self._next_descriptor >= 0:
            self._poller.unregister(self._next_descriptor)
            self._next_descriptor = -1
        if not keep:
            self._next.close()

    def _next_failed(self, error: Exception) -> None:
        # The first time it may be the end of the environment, which an internal extension is not
        # told of before its runtime is gone.
        if self._next_failures:
            self.report("next", f"next failed, asking again: {error}")
        self._next_failures += 1
        self._retry_at_s = monotonic() + _RETRY_S

    def _invoke(self, event: NextEvent) -> None:
        connected = self._runtime_connected()
        action = self._lifecycle.invoke(event.request_id, runtime_connected=connected)
        if event.deadline_ms:
            left_s = event.deadline_ms / 1000 - time()
            self._act_at_s = monotonic() + max(0.0, left_s) + _OVERDUE_MARGIN_S
        self._do(action)

    def _shutdown(self, budget_s: float) -> None:
        if self._lifecycle.shutdown() != lifecycle.DRAIN:
            return
        listening = set() if self._listener is None else {self._listener.fileno()}
        self._receive(set(self._connections) | listening)
        # Lambda has ended the runtime; a child of it may still hold its connection open.
        for connection in self._connections.values():
            self._intake.closed(connection.session, time_ns())
        self._act_at_s = monotonic() + min(max(0.05, budget_s), _LONGEST_DRAIN_S)
        self._delivery.drain(self._act_at_s)
        self._flush_ended()

    def _do(self, action: str) -> None:
        if action == lifecycle.NEXT:
            self._act_at_s = _NEVER
            self._ask_next()
        elif action == lifecycle.FLUSH:
            self._act_at_s = monotonic() + _FLUSH_BUDGET_S
            self._delivery.submit()
            # A request that overran an earlier flush has had its share of billed time.
            if self._overran or not self._delivery.in_flight:
                self._do(self._lifecycle.flushed())
        elif action == lifecycle.FLUSH_ASIDE:
            self._delivery.submit()
        elif action == lifecycle.EXIT:
            self.finished = True
            if lost := self._delivery.lost_items():
                say(f"{lost} items were not delivered")

    def _ask_next(self) -> None:
        if not self._registered:
            return
        try:
            self._next_descriptor = self._next.begin()
        except (OSError, ValueError, OverflowError) as error:
            self._next.close()
            self._next_failed(error)
            return
        self._poller.register(self._next_descriptor, POLLIN)

    def _look_at_the_clock(self) -> None:
        now_s = monotonic()
        if now_s >= self._listen_at_s and self._listener is not None:
            self._listen_at_s = _NEVER
            self._poller.register(self._listener.fileno(), POLLIN)
        if now_s >= self._retry_at_s:
            self._retry_at_s = _NEVER
            self._try_again()
        if now_s >= self._act_at_s:
            self._act_at_s = _NEVER
            self._time_is_up()

    def _try_again(self) -> None:
        if self._lifecycle.state == lifecycle.WAITING and self._next_descriptor < 0:
            self._ask_next()
        elif self._lifecycle.state == lifecycle.DRAINING:
            self._delivery.submit()
            self._flush_ended()

    def _time_is_up(self) -> None:
        if self._lifecycle.state == lifecycle.INVOKED:
            self._do(self._lifecycle.overdue())
        else:
            self._overran = self._delivery.in_flight > 0
            self._do(self._lifecycle.flushed())

    def _flush_ended(self) -> None:
        if self._delivery.in_flight:
            return
        self._overran = False
        if self._lifecycle.state == lifecycle.DRAINING and self._delivery.may_try_again(_RETRY_S):
            self._retry_at_s = monotonic() + _RETRY_S
        else:
            self._do(self._lifecycle.flushed())
