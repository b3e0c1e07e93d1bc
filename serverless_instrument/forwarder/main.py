"""Composition root of the forwarder: one event loop, which carries out what the others decide."""

from __future__ import annotations

import posix
import sys
from select import poll
from time import monotonic, sleep, time, time_ns

from serverless_instrument import bundles
from serverless_instrument.environment import PREFIX
from serverless_instrument.forwarder.delivery.delivery import Delivery
from serverless_instrument.forwarder.delivery.flush_settings import FlushSettings
from serverless_instrument.forwarder.delivery.flush_strategy import END, FlushStrategy
from serverless_instrument.forwarder.delivery.freeze_clock import FreezeClock
from serverless_instrument.forwarder.destinations.destination import LOGS, METRICS
from serverless_instrument.forwarder.destinations.settings import Settings
from serverless_instrument.forwarder.diagnostics import Reporter, say
from serverless_instrument.forwarder.event_loop import lifecycle
from serverless_instrument.forwarder.event_loop.flush_control import FlushControl, wait_limit_s
from serverless_instrument.forwarder.event_loop.next_event import NextEventWatch
from serverless_instrument.forwarder.event_loop.wakeup import Wakeup
from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.extensions_api import NextEvent, Registration
    from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics

# How long a drain may take where Lambda names no deadline.
_DRAIN_BUDGET_S = 1.0
# Lambda kills an extension at the SHUTDOWN deadline: leave before it.
_EXIT_MARGIN_S = 0.25
# Lambda gives 500 ms in all where it knows of no external extension.
_INTERNAL_DRAIN_S = 0.4
_OVERDUE_MARGIN_S = 0.5
_DEV_FLUSH_INTERVAL_MS = 100
# In dev mode an invocation ends with platform.runtimeDone, which is buffered for 25 ms.
_SETTLE_S = 0.3
# How long before its deadline the runtime is asked what is open; it takes a few milliseconds.
_DEADLINE_MARGIN_S = 0.1
# The platform tells times in milliseconds.
_TICK_NS = 1_000_000
_RETRY_S = 0.2
_IDLE_S = 3600.0
_NEVER = float("inf")


def run(
    environ: Mapping[str, str],
    listener: socket | None,
    registration: Registration,
    problems: list[str],
    otlp_listener: socket | None = None,
    statsd_socket: socket | None = None,
) -> None:
    """Serve until SHUTDOWN, then exit 0; an error inside is reported and survived.

    An extension that exits early takes the function's environment with it, so nothing here may.
    """
    settings = Settings(environ)
    # An internal extension gets no SHUTDOWN.
    flush = FlushSettings(environ, told_of_shutdown=registration.runtime_descriptor < 0)
    forwarder = Forwarder(environ, settings, flush, registration)
    for problem in [*problems, registration.problem, *forwarder.warnings]:
        if problem:
            say(problem)
    forwarder.start(listener, otlp_listener, statsd_socket)
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
        registration: Registration,
    ) -> None:
        self.finished = False
        self.report = Reporter().report
        self._environ = environ
        self._registered_unix_ns = time_ns()
        self._registration = registration
        self._lifecycle = lifecycle.Lifecycle()
        self._poller = poll()
        self._wakeup = Wakeup(self._poller)
        self._freeze_clock = FreezeClock(monotonic(), time())
        self._takes_metrics = METRICS in settings.destinations
        self._exponential = settings.exponential_histograms
        self._delivery = Delivery(
            settings.destinations, flush, self._clock, self._wakeup.wake, self.report
        )
        self._next = NextEventWatch(registration, self._poller, self.report)
        self._telemetry = Telemetry(
            environ,
            self._delivery.batch,
            self._poller,
            self.report,
            has_destination=LOGS in settings.destinations,
            takes_metrics=self._takes_metrics,
        )
        self.warnings = [*settings.warnings, *flush.warnings, *self._telemetry.warnings]
        strategy = FlushStrategy(flush.kind, flush.interval_ms, 0.0, frozen=flush.frozen)
        if self._telemetry.dev_mode:
            strategy = FlushStrategy(END, _DEV_FLUSH_INTERVAL_MS, 0.0)
        self._flush = FlushControl(self._delivery, strategy, self._clock)
        # Loaded by `start`, like the other parts; None where metrics are not wanted.
        self._metrics: FunctionMetrics | None = None
        self._invoked_unix_ns = 0
        # Of the invocation that INVOKE told of last; 0 where it is not known.
        self._deadline_ms = 0
        # When the invocation is overdue, or the flush or the drain has had its time.
        self._act_at_s = _NEVER

    def _clock(self) -> float:
        return self._freeze_clock.at(monotonic(), time())

    def start(
        self, listener: socket | None, otlp_listener: socket | None, statsd_socket: socket | None
    ) -> None:
        """Ask for the first event, which ends this extension's share of init; load the rest."""
        self._wakeup.catch_signals()
        if self._registration.identifier:
            self._telemetry.subscribe(self._registration)
        self._do(self._lifecycle.record_ready())
        bundles.preload("idle")
        self._next.load()
        from serverless_instrument.forwarder.processing import Processing, Sockets

        parent = self._registration.runtime_descriptor
        parts = Processing(
            self._environ,
            self._registered_unix_ns,
            Sockets(listener, otlp_listener, statsd_socket, parent),
            self._poller,
            self._telemetry,
            self._delivery,
            self.report,
            takes_metrics=self._takes_metrics,
            exponential=self._exponential,
        )
        self._metrics, self._outcomes = parts.metrics, parts.outcomes
        self._connections, self._receivers = parts.connections, parts.receivers
        self._drain = parts.drain
        self._delivery.warm_up()
        if any(name.startswith(PREFIX) for name in self._environ):
            from serverless_instrument.forwarder.destinations import unknown_settings

            for warning in unknown_settings.warnings(self._environ):
                say(warning)

    def recover(self) -> None:
        """After an internal error: give up what may have caused it, and see that /next is asked."""
        try:
            self._delivery.discard_batch()
        finally:
            self._do(self._lifecycle.record_flushed())
            if self._lifecycle.state == lifecycle.WAITING and not self._next.is_asked:
                self._next.ask_later()

    def turn(self) -> None:
        """Wait for something to happen and carry out what follows from it."""
        ready = {descriptor for descriptor, _ in self._poller.poll(self._timeout_ms())}
        # Frames before platform events: a runtime sends END before it asks for its next event.
        self._record_frames(self._receivers.receive(ready))
        if self._wakeup.read(ready):
            self._delivery.settle_results()
            self._finish_flush()
        if (event := self._next.receive(ready)) is not None:
            self._record_event(event)
        # After INVOKE: an invocation cannot be over before it is known.
        self._receive_platform_events(ready)
        if self._wakeup.interrupted:
            self._wakeup.interrupted = False
            self._shut_down(_DRAIN_BUDGET_S)
        self._act_on_time()
        if self._metrics is not None:
            self._metrics.read_usage_of_ended()

    def _timeout_ms(self) -> int:
        act_at_s = min(
            self._act_at_s,
            self._drain.again_at_s,
            self._next.retry_at_s,
            self._receivers.resume_at_s,
            self._telemetry.act_at_s,
            self._metrics.sample_at_s if self._metrics is not None else _NEVER,
        )
        # These are times of the wall clock.
        wall_s = min(self._outcomes.act_at_s, self._connections.deadline_s() - _DEADLINE_MARGIN_S)
        wait_s = min(act_at_s - monotonic(), wall_s - time(), self._flush.flush_in_s())
        wait_s = min(wait_s, self._delivery.retry_in_s())
        return int(min(max(wait_s, 0.0), _IDLE_S) * 1000) + 1

    def _receive_platform_events(self, ready: set[int]) -> None:
        for request_id, time_unix_ns in self._telemetry.receive(ready):
            # An earlier attempt had the same request id, and its end may be reported late.
            if time_unix_ns >= self._invoked_unix_ns:
                self._do(self._lifecycle.record_platform_end(request_id))
        self._outcomes.set_platform_reports(self._telemetry.active)
        self._lifecycle.wait_for_platform = self._telemetry.dev_mode and self._telemetry.active
        if self._lifecycle.state == lifecycle.FLUSHING and self._telemetry.act_at_s < _NEVER:
            # The platform buffers for 25 ms: what comes while the end of an invocation waits for
            # the backend anyway goes with it, and not with the next invocation.
            self._telemetry.send_held_lines()
            self._flush.send_late()

    def _record_event(self, event: NextEvent) -> None:
        if event.kind == "INVOKE":
            self._record_invoke(event)
        else:
            left_s = event.deadline_ms / 1000 - time() if event.deadline_ms else _DRAIN_BUDGET_S
            self._outcomes.shutdown_reason = event.reason or "unknown"
            self._shut_down(left_s - _EXIT_MARGIN_S)

    def _record_invoke(self, event: NextEvent) -> None:
        connected = self._connections.runtime_connected()
        self._invoked_unix_ns = time_ns() - _TICK_NS
        self._deadline_ms = event.deadline_ms
        self._outcomes.record_invoke(event)
        action = self._lifecycle.record_invoke(event.request_id, runtime_connected=connected)
        if event.deadline_ms:
            left_s = event.deadline_ms / 1000 - time()
            self._act_at_s = monotonic() + max(0.0, left_s) + _OVERDUE_MARGIN_S
        self._flush.send_at_invoke()
        self._do(action)

    def _record_frames(self, happened: list[str]) -> None:
        """Carry out what follows from frames; see `Connections.receive`."""
        for what in happened:
            if what is lifecycle.RUNTIME_GONE:
                self._do(self._lifecycle.record_runtime_exit())
            elif what is lifecycle.PARENT_GONE:
                # An internal extension gets no SHUTDOWN; it is over with its runtime.
                self._shut_down(_INTERNAL_DRAIN_S)
            else:
                self._do(self._lifecycle.record_end(what))

    def _do(self, action: str) -> None:
        if action == lifecycle.NEXT:
            self._act_at_s = _NEVER
            self._ask_next()
        elif action == lifecycle.FLUSH:
            # The runtime has announced its lines before it said END.
            self._telemetry.send_held_lines()
            limit_s = wait_limit_s(self._deadline_ms, time())
            if self._flush.flush_before_next(limit_s):
                self._act_at_s = monotonic() + limit_s
            else:
                self._do(self._lifecycle.record_flushed())
        elif action == lifecycle.FLUSH_ASIDE:
            self._flush.send_late()
        elif action == lifecycle.SETTLE:
            self._act_at_s = monotonic() + min(_SETTLE_S, wait_limit_s(self._deadline_ms, time()))
            self._delivery.submit_batch()
        elif action == lifecycle.EXIT:
            self.finished = True
            if losses := self._delivery.keep_undelivered():
                say(losses)

    def _ask_next(self) -> None:
        if self._metrics is not None:
            self._metrics.stop_sampling()
        self._next.ask()

    def _act_on_time(self) -> None:
        """Carry out what is due by one of the clocks."""
        now_s = monotonic()
        self._receivers.resume_listening(now_s)
        if (wall_s := time()) >= self._connections.deadline_s() - _DEADLINE_MARGIN_S:
            self._connections.send_deadline(wall_s + _DEADLINE_MARGIN_S)
        if wall_s >= self._outcomes.act_at_s:
            self._outcomes.send_due()
            self._delivery.submit_batch()
        if now_s >= self._telemetry.act_at_s:
            self._telemetry.send_due_lines()
        if self._metrics is not None:
            self._metrics.take_due_sample(now_s)
        if self._flush.flush_in_s() <= 0:
            self._flush.send()
        if self._delivery.retry_in_s() <= 0:
            self._delivery.send_due_exports()
        self._try_again(now_s)
        if now_s >= self._act_at_s:
            self._act_at_s = _NEVER
            self._act_on_timeout()

    def _try_again(self, now_s: float) -> None:
        if now_s >= self._next.retry_at_s:
            self._next.retry_at_s = _NEVER
            if self._lifecycle.state == lifecycle.WAITING and not self._next.is_asked:
                self._ask_next()
        if now_s >= self._drain.again_at_s:
            self._drain.send_again()
            self._finish_flush()

    def _act_on_timeout(self) -> None:
        if self._lifecycle.state in (lifecycle.INVOKED, lifecycle.SETTLING):
            self._do(self._lifecycle.record_overdue())
        else:
            self._flush.stop_waiting()
            self._do(self._lifecycle.record_flushed())

    def _finish_flush(self) -> None:
        """Go on to /next, or exit, if nothing that it waits for is on its way any more."""
        if self._lifecycle.state == lifecycle.DRAINING:
            done = not self._drain.goes_on()
        else:
            done = self._flush.is_answered()
        if done:
            self._do(self._lifecycle.record_flushed())

    def _shut_down(self, budget_s: float) -> None:
        if self._lifecycle.record_shutdown() == lifecycle.DRAIN:
            self._receivers.receive_last()
            self._act_at_s = self._drain.begin(budget_s)
            self._finish_flush()
