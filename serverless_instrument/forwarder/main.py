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

from serverless_instrument.environment import PREFIX
from serverless_instrument.forwarder import lifecycle
from serverless_instrument.forwarder.connections import PARENT_GONE, RUNTIME_GONE, Connections
from serverless_instrument.forwarder.delivery.delivery import Delivery
from serverless_instrument.forwarder.delivery.flush_settings import FlushSettings
from serverless_instrument.forwarder.delivery.flush_strategy import END, GO, SEND, FlushStrategy
from serverless_instrument.forwarder.delivery.freeze_clock import FreezeClock
from serverless_instrument.forwarder.destinations.settings import LOGS, METRICS, Settings
from serverless_instrument.forwarder.extensions_api import NextPoll
from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.extensions_api import NextEvent, Registration
    from serverless_instrument.forwarder.inputs.otlp_receiver import OtlpReceiver
    from serverless_instrument.forwarder.measuring import Metrics

# Billed time that one flush may cost; what takes longer goes on after the next thaw.
_FLUSH_BUDGET_S = 1.0
# Lambda kills an extension at the SHUTDOWN deadline: leave before it. Two seconds are all that
# Lambda gives; a deadline further off is a defect.
_EXIT_MARGIN_S = 0.25
_SHORTEST_DRAIN_S = 0.2
# All that Lambda gives where it knows of no external extension is 500 ms.
_INTERNAL_DRAIN_S = 0.4
_LONGEST_DRAIN_S = 5.0
_OVERDUE_MARGIN_S = 0.5
_DEV_FLUSH_INTERVAL_MS = 100
# In dev mode an invocation ends with the platform's word, which is buffered for 25 ms.
_SETTLE_S = 0.3
# How long before its deadline the runtime is asked what is open; it takes a few milliseconds.
_WARNING_S = 0.1
# The platform tells times in milliseconds.
_TICK_NS = 1_000_000
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
    otlp_listener: socket | None = None,
    statsd_socket: socket | None = None,
) -> None:
    """Serve until SHUTDOWN, then exit 0; an error inside is said and survived.

    An extension that exits early takes the function's environment with it, so nothing here may.
    """
    settings = Settings(environ)
    # An internal extension is told no SHUTDOWN.
    flush = FlushSettings(environ, told_of_shutdown=registration.runtime_descriptor < 0)
    forwarder = Forwarder(environ, settings, flush, listener, registration)
    for problem in [*problems, registration.problem, *forwarder.warnings]:
        if problem:
            say(problem)
    if otlp_listener is not None:
        forwarder.serve_otlp(otlp_listener)
    if statsd_socket is not None:
        forwarder.serve_statsd(statsd_socket)
    forwarder.start()
    while not forwarder.finished:
        if not _survived(forwarder, forwarder.turn):
            sleep(_RETRY_S)
            _survived(forwarder, forwarder.recover)
    # Threads may wait for a backend that never answers: leave without them.
    sys.stderr.flush()
    posix._exit(0)


def _survived(forwarder: Forwarder, act: Callable[[], None]) -> bool:
    try:
        act()
    except Exception as error:  # whatever it is, the next /next must still be asked for
        kind = type(error).__name__
        forwarder.report(kind, f"internal error, going on: {kind}: {error}")
        return False
    return True


class Forwarder:
    """The event loop's state: descriptors, lifecycle, deadlines."""

    def __init__(
        self,
        environ: Mapping[str, str],
        settings: Settings,
        flush: FlushSettings,
        listener: socket | None,
        registration: Registration,
    ) -> None:
        self.finished = False
        self._environ = environ
        self._registered_unix_ns = time_ns()
        self._registration = registration
        self._lifecycle = lifecycle.Lifecycle()
        self._reported: set[str] = set()
        self._wake_read, self._wake_write = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
        self._freeze_clock = FreezeClock(monotonic(), time())
        self._takes_metrics = METRICS in settings.destinations
        self._exponential = settings.exponential_histograms
        self._measuring: Metrics | None = None
        self._delivery = Delivery(
            settings.destinations, flush, self._clock, self._wake, self.report
        )
        self._next = NextPoll(registration)
        self._next_descriptor = -1
        self._poller = poll()
        self._poller.register(self._wake_read, POLLIN)
        self._connections = Connections(listener, self._poller, self._delivery, self.report)
        self._telemetry = Telemetry(
            environ,
            self._delivery.batch,
            self._poller,
            self.report,
            has_destination=LOGS in settings.destinations,
            takes_metrics=self._takes_metrics,
        )
        self.warnings = [*settings.warnings, *flush.warnings, *self._telemetry.warnings]
        self._strategy = FlushStrategy(flush.kind, flush.interval_ms, 0.0, frozen=flush.frozen)
        if self._telemetry.dev_mode:
            self._strategy = FlushStrategy(END, _DEV_FLUSH_INTERVAL_MS, 0.0)
        self._invoked_unix_ns = 0
        self._otlp: OtlpReceiver | None = None
        self._internal = registration.runtime_descriptor >= 0
        if self._internal:
            self._connections.adopt_parent(registration.runtime_descriptor)
        # When the invocation is overdue, or the flush or the drain has had its time.
        self._act_at_s = _NEVER
        # When to ask for /next once more, or to repeat what a drain could not deliver.
        self._retry_at_s = _NEVER
        # When the end of an invocation began to wait for the backend.
        self._waits_since_s = _NEVER
        self._interrupted = False

    def serve_otlp(self, listener: socket) -> None:
        """Take OTLP/HTTP of other processes from `listener`."""
        from serverless_instrument.forwarder.inputs.otlp_receiver import OtlpReceiver

        self._otlp = OtlpReceiver(listener, self._poller, self._delivery.take_request)

    def serve_statsd(self, bound: socket) -> None:
        """Take StatsD of the function from `bound`, if metrics go anywhere."""
        if self._takes_metrics:
            self._metrics().serve_statsd(bound, self._poller)

    def _metrics(self) -> Metrics:
        if self._measuring is None:
            from serverless_instrument.forwarder.measuring import Metrics

            self._measuring = Metrics(self._delivery, self.report, exponential=self._exponential)
        return self._measuring

    def _clock(self) -> float:
        return self._freeze_clock.at(monotonic(), time())

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
        if self._registration.identifier:
            self._telemetry.subscribe(self._registration)
        self._do(self._lifecycle.ready())
        self._next.prepare()
        self._telemetry.load()
        from serverless_instrument.forwarder.outcomes.outcomes import Endings

        self._endings = Endings(self._environ, self._delivery.batch, self._registered_unix_ns)
        self._endings.connect(self._telemetry.events)
        self._connections.tell(self._telemetry.logs, self._endings)
        if self._takes_metrics:
            metrics = self._metrics()
            metrics.load(self._environ, self._registered_unix_ns)
            metrics.connect(self._telemetry, self._endings, self._connections)
        self._delivery.warm_up()
        if any(name.startswith(PREFIX) for name in self._environ):
            from serverless_instrument.forwarder import unknown_settings

            for warning in unknown_settings.warnings(self._environ):
                say(warning)

    def recover(self) -> None:
        """After an internal error: give up what may have caused it, and see that /next is asked."""
        try:
            self._delivery.give_up_batch()
        finally:
            self._do(self._lifecycle.flushed())
            if self._lifecycle.state == lifecycle.WAITING and self._next_descriptor < 0:
                self._retry_at_s = monotonic() + _RETRY_S

    def turn(self) -> None:
        """Wait for something to happen and carry out what follows from it."""
        act_at_s = min(
            self._act_at_s,
            self._retry_at_s,
            self._connections.listen_at_s,
            self._telemetry.act_at_s,
            self._look_at_s(),
        )
        # These are times of the wall clock.
        wall_s = min(self._endings.act_at_s, self._connections.deadline_s() - _WARNING_S)
        wait_s = min(act_at_s - monotonic(), wall_s - time(), self._flush_in_s())
        wait_s = min(wait_s, self._delivery.retry_in_s())
        timeout_ms = int(min(max(wait_s, 0.0), _IDLE_S) * 1000) + 1
        ready = {descriptor for descriptor, _ in self._poller.poll(timeout_ms)}
        # Frames before the platform's word: a runtime speaks before it asks for its next event.
        if self._otlp is not None:
            self._otlp.receive(ready)
        happened = self._connections.receive(ready)
        # What was sent before END leaves with it.
        self._receive_statsd(whole=bool(happened))
        self._do_all(happened)
        if self._wake_read in ready:
            posix.read(self._wake_read, 4096)
            self._delivery.settle()
            self._flush_ended()
        if self._next_descriptor in ready:
            self._event()
        # After INVOKE: an invocation cannot be over before it is known.
        self._hear(ready)
        if self._interrupted:
            self._interrupted = False
            self._shutdown(_FLUSH_BUDGET_S)
        self._look_at_the_clock()
        if self._measuring is not None:
            self._measuring.over()

    def _receive_statsd(self, *, whole: bool) -> None:
        if self._measuring is not None:
            self._measuring.receive(self._telemetry.logs.resource, whole=whole)

    def _hear(self, ready: set[int]) -> None:
        """What the platform says: lines, and ends of invocations."""
        for request_id, time_unix_ns in self._telemetry.receive(ready):
            # An earlier attempt had the same request id, and its end may be told late.
            if time_unix_ns >= self._invoked_unix_ns:
                self._do(self._lifecycle.platform_done(request_id))
        self._endings.platform_tells(self._telemetry.active)
        self._lifecycle.wait_for_platform = self._telemetry.dev_mode and self._telemetry.active
        if self._lifecycle.state == lifecycle.FLUSHING and self._telemetry.act_at_s < _NEVER:
            # The platform buffers for 25 ms: what comes while the end of an invocation waits for
            # the backend anyway goes with it, and not with the next invocation.
            self._telemetry.release_all()
            if self._strategy.late():
                self._send()

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
            self._endings.shutdown_reason = event.reason or "unknown"
            self._shutdown(left_s - _EXIT_MARGIN_S)
        else:
            self._next_failed(ValueError(f"unknown event {event.kind[:40]!r}"))

    def _look_at_s(self) -> float:
        return self._measuring.look_at_s if self._measuring is not None else _NEVER

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
        self._invoked_unix_ns = time_ns() - _TICK_NS
        self._endings.invoked(event)
        action = self._lifecycle.invoke(event.request_id, runtime_connected=connected)
        if event.deadline_ms:
            left_s = event.deadline_ms / 1000 - time()
            self._act_at_s = monotonic() + max(0.0, left_s) + _OVERDUE_MARGIN_S
        if self._strategy.invoked(self._clock()):
            self._send()
        self._do(action)

    def _send(self) -> None:
        self._delivery.submit()
        self._strategy.sent(self._clock())

    def _flush_in_s(self) -> float:
        """Seconds until what waits is due although nothing happens."""
        return self._strategy.wait_s(self._clock()) if self._delivery.batch else _NEVER

    def _shutdown(self, budget_s: float) -> None:
        if self._lifecycle.shutdown() != lifecycle.DRAIN:
            return
        self._connections.receive_last()
        if self._otlp is not None:
            self._otlp.receive_last()
        self._receive_statsd(whole=True)
        budget_s = min(max(_SHORTEST_DRAIN_S, budget_s), _LONGEST_DRAIN_S)
        self._telemetry.shut_down(budget_s)
        self._act_at_s = monotonic() + budget_s
        self._delivery.drain(self._act_at_s)
        self._flush_ended()

    def _do_all(self, happened: list[str]) -> None:
        """What follows from frames: ended request ids, `RUNTIME_GONE`, `PARENT_GONE`."""
        for what in happened:
            if what is RUNTIME_GONE:
                self._do(self._lifecycle.runtime_gone())
            elif what is PARENT_GONE:
                # An internal extension is told no SHUTDOWN; it is over with its runtime.
                self._shutdown(_INTERNAL_DRAIN_S)
            else:
                self._do(self._lifecycle.ended(what))

    def _do(self, action: str) -> None:
        if action == lifecycle.NEXT:
            self._act_at_s = _NEVER
            self._ask_next()
        elif action == lifecycle.FLUSH:
            # The runtime has announced its lines before it said END.
            self._telemetry.release_all()
            self._before_next(self._strategy.ended())
        elif action == lifecycle.FLUSH_ASIDE:
            if self._strategy.late():
                self._send()
        elif action == lifecycle.SETTLE:
            self._act_at_s = monotonic() + _SETTLE_S
            self._delivery.submit()
        elif action == lifecycle.EXIT:
            self.finished = True
            if losses := self._delivery.losses():
                say(losses)

    def _before_next(self, how: str) -> None:
        if how == SEND:
            self._send()
        if how == GO or not self._delivery.holds_next():
            self._do(self._lifecycle.flushed())
            return
        self._waits_since_s = monotonic()
        self._act_at_s = self._waits_since_s + _FLUSH_BUDGET_S

    def _ask_next(self) -> None:
        if not self._registration.identifier:
            return
        if self._measuring is not None:
            self._measuring.idle()
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
        if (wall_s := time()) >= self._connections.deadline_s() - _WARNING_S:
            self._connections.warn(wall_s + _WARNING_S)
        if wall_s >= self._endings.act_at_s:
            self._endings.release()
            self._delivery.submit()
        if now_s >= self._telemetry.act_at_s:
            self._telemetry.release()
        if self._measuring is not None:
            self._measuring.look(now_s)
        if self._flush_in_s() <= 0:
            self._send()
        if self._delivery.retry_in_s() <= 0:
            self._delivery.retry()
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
        if self._lifecycle.state in (lifecycle.INVOKED, lifecycle.SETTLING):
            self._do(self._lifecycle.overdue())
        else:
            self._delivery.overran(self._waited_s())
            self._do(self._lifecycle.flushed())

    def _waited_s(self) -> float:
        since_s, self._waits_since_s = self._waits_since_s, _NEVER
        return max(0.0, monotonic() - since_s)

    def _flush_ended(self) -> None:
        if self._lifecycle.state == lifecycle.DRAINING:
            if self._drain_goes_on():
                return
        elif self._delivery.holds_next():
            return
        elif self._waits_since_s != _NEVER:
            self._delivery.waited(self._waited_s())
        self._do(self._lifecycle.flushed())

    def _drain_goes_on(self) -> bool:
        """Whether something may still come, or be delivered, before the end."""
        if unsettled_s := self._telemetry.unsettled_s():
            self._retry_at_s = monotonic() + unsettled_s
            return True
        self._telemetry.release_all(last=True)
        self._endings.settle()
        if self._delivery.batch:
            self._delivery.submit()
        if self._delivery.in_flight:
            return True
        if self._delivery.may_try_again(_RETRY_S):
            self._retry_at_s = monotonic() + _RETRY_S
            return True
        return False
