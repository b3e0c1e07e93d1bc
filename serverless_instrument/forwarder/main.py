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
from time import monotonic, sleep, time

from serverless_instrument.forwarder import lifecycle
from serverless_instrument.forwarder.connections import PARENT_GONE, RUNTIME_GONE, Connections
from serverless_instrument.forwarder.delivery import Delivery
from serverless_instrument.forwarder.runtime_api import NextPoll
from serverless_instrument.forwarder.settings import METRICS, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping

    from serverless_instrument.forwarder.runtime_api import NextEvent, Registration

# Billed time that one flush may cost; what takes longer goes on after the next thaw.
_FLUSH_BUDGET_S = 1.0
# Lambda kills an extension at the SHUTDOWN deadline: leave before it. Two seconds are all that
# Lambda gives; a deadline further off is a defect.
_EXIT_MARGIN_S = 0.25
_SHORTEST_DRAIN_S = 0.2
_LONGEST_DRAIN_S = 5.0
_OVERDUE_MARGIN_S = 0.5
_RETRY_S = 0.2
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
            kind = type(error).__name__
            forwarder.report(kind, f"internal error, going on: {kind}: {error}")
            sleep(_RETRY_S)
            forwarder.recover()
    # Threads may wait for a backend that never answers: leave without them.
    sys.stderr.flush()
    posix._exit(0)


class Forwarder:
    """The event loop's state: descriptors, lifecycle, deadlines."""

    def __init__(
        self, settings: Settings, listener: socket | None, registration: Registration
    ) -> None:
        self.finished = False
        self._registered = bool(registration.identifier)
        self._lifecycle = lifecycle.Lifecycle()
        self._reported: set[str] = set()
        self._wake_read, self._wake_write = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
        self._destinations = settings.destinations
        self._delivery = Delivery(settings.destinations, self._wake, self.report)
        self._next = NextPoll(registration)
        self._next_descriptor = -1
        self._poller = poll()
        self._poller.register(self._wake_read, POLLIN)
        self._connections = Connections(listener, self._poller, self._delivery, self.report)
        self._internal = registration.runtime_descriptor >= 0
        if self._internal:
            self._connections.adopt_parent(registration.runtime_descriptor)
        # When the invocation is overdue, or the flush or the drain has had its time.
        self._act_at_s = _NEVER
        # When to ask for /next once more, or to repeat what a drain could not deliver.
        self._retry_at_s = _NEVER
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
        """Say `message`, the first of `subject` since "" said that all is well with it."""
        if not message:
            self._reported.discard(subject)
        elif subject not in self._reported:
            self._reported.add(subject)
            say(message)

    def start(self) -> None:
        """Ask for the first event, which ends this extension's share of init."""
        # Lambda sends no signals; whoever does gets what has been received, and an end.
        for number in (SIGTERM, SIGINT):
            signal(number, self._interrupt)
        # A signal may come in the backend's thread, which would not end the loop's waiting.
        set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._do(self._lifecycle.ready())
        self._next.prepare()
        self._delivery.warm_up()
        if METRICS in self._destinations:
            self._connections.prepare_metrics()

    def recover(self) -> None:
        """After an internal error: give up what may have caused it, and see that /next is asked."""
        self._delivery.give_up_batch()
        self._do(self._lifecycle.flushed())
        if self._lifecycle.state == lifecycle.WAITING and self._next_descriptor < 0:
            self._retry_at_s = monotonic() + _RETRY_S

    def turn(self) -> None:
        """Wait for something to happen and carry out what follows from it."""
        wait_s = min(self._act_at_s, self._retry_at_s, self._connections.listen_at_s) - monotonic()
        timeout_ms = int(min(max(wait_s, 0.0), _IDLE_S) * 1000) + 1
        ready = {descriptor for descriptor, _ in self._poller.poll(timeout_ms)}
        # Frames before the platform's word: a runtime speaks before it asks for its next event.
        self._do_all(self._connections.receive(ready))
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

    def _event(self) -> None:
        try:
            event = self._next.receive()
        except Exception as error:  # whatever it is, this answer is of no use
            self._forget_next()
            self._next_failed(error)
            return
        if event is None:
            return
        self._forget_next(keep=True)
        if event.kind == "INVOKE":
            self.report("next", "")
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
        # To an internal extension this is how an environment ends; it is told no SHUTDOWN.
        if not self._internal:
            self.report("next", f"next failed, asking again: {error}")
        self._retry_at_s = monotonic() + _RETRY_S

    def _invoke(self, event: NextEvent) -> None:
        connected = self._connections.runtime_connected()
        action = self._lifecycle.invoke(event.request_id, runtime_connected=connected)
        if event.deadline_ms:
            left_s = event.deadline_ms / 1000 - time()
            self._act_at_s = monotonic() + max(0.0, left_s) + _OVERDUE_MARGIN_S
        self._do(action)

    def _shutdown(self, budget_s: float) -> None:
        if self._lifecycle.shutdown() != lifecycle.DRAIN:
            return
        self._connections.receive_last()
        self._act_at_s = monotonic() + min(max(_SHORTEST_DRAIN_S, budget_s), _LONGEST_DRAIN_S)
        self._delivery.drain(self._act_at_s)
        self._flush_ended()

    def _do_all(self, happened: list[str]) -> None:
        """What follows from frames: ended request ids, `RUNTIME_GONE`, `PARENT_GONE`."""
        for what in happened:
            if what is RUNTIME_GONE:
                self._do(self._lifecycle.runtime_gone())
            elif what is PARENT_GONE:
                # An internal extension is told no SHUTDOWN; it is over with its runtime.
                self._shutdown(_FLUSH_BUDGET_S)
            else:
                self._do(self._lifecycle.ended(what))

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
        self._connections.listen_again(now_s)
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
