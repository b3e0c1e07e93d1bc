"""Lambda's Telemetry API: subscription, listener, events and log lines, put together.

Loaded in two parts: before the first /next only what subscribing needs (`subscribe`), the rest
while the runtime starts (`load`).
"""

from __future__ import annotations

from select import POLLIN
from time import monotonic, time_ns

from serverless_instrument.forwarder.telemetry_api import telemetry_listener, telemetry_subscription
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from select import poll

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.extensions_api import Registration
    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

# At SHUTDOWN the platform posts what it still has, at once: it is done after _QUIET_S without a
# post, and after _LONGEST_SETTLING_S in any case.
_QUIET_S = 0.1
_LONGEST_SETTLING_S = 0.5
# The platform repeats a post that was not answered in time, as after a freeze. Every event has its
# time, so a body with the same bytes is a repetition.
_POSTS_REMEMBERED = 32


class Telemetry:
    """Receives telemetry from the platform; posts become events for `events` and `logs`.

    Args:
        environ: see `log_settings`, and the function's resource.
        has_destination: whether logs go anywhere.
        takes_metrics: whether metrics do.
        batch: takes records.
        poller: its owner waits, and hands what is ready to `receive`.
        report: see `Delivery`.

    Attributes:
        dev_mode: see `LogSettings`.
        takes_emf: see there, too.
        patterns: the user's.
        events: for handlers of platform events; there once `load` has been called.
        logs: log lines; likewise.
        active: whether the platform has agreed to send events.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        batch: Batch,
        poller: poll,
        report: Callable[[str, str], None],
        *,
        has_destination: bool,
        takes_metrics: bool,
    ) -> None:
        self._settings = LogSettings(
            environ, has_destination=has_destination, takes_metrics=takes_metrics
        )
        self.patterns = self._settings.rules
        self.patterns.report = report
        self._environ = environ
        self._batch = batch
        self._poller = poller
        self._report = report
        self._subscription: telemetry_subscription.TelemetrySubscription | None = None
        self._subscription_descriptor = -1
        self._listener: telemetry_listener.TelemetryListener | None = None
        self._done: list[tuple[str, int]] = []
        self._posts: dict[tuple[int, int], None] = {}
        self._last_post_s = 0.0
        self._settle_until_s = 0.0
        self.warnings = self._settings.warnings
        self.dev_mode = self._settings.dev_mode
        self.takes_emf = self._settings.emf
        self.active = False

    def subscribe(self, registration: Registration) -> None:
        """Listen, and send the subscription without waiting for the answer."""
        listener, port, problem = telemetry_listener.listen(registration.api)
        if listener is None:
            self._report("telemetry", problem)
            return
        self._listener = telemetry_listener.TelemetryListener(listener, self._poller)
        self._subscription = telemetry_subscription.TelemetrySubscription(
            registration, port, self._settings.types
        )
        self._send_subscription(self._subscription)

    def _send_subscription(
        self, subscription: telemetry_subscription.TelemetrySubscription
    ) -> None:
        self._subscription_descriptor = subscription.begin()
        if self._subscription_descriptor >= 0:
            self._poller.register(self._subscription_descriptor, POLLIN)
        else:
            self._give_up_subscription(subscription.problem)

    def load(self, emf: Callable[[str, bytes, int], None] | None = None) -> None:
        """Load what frames and events need, and put it together; `emf` is that of `LogIntake`."""
        from serverless_instrument.forwarder import http1_server  # noqa: F401 # the first for the listener
        from serverless_instrument.forwarder.telemetry_api import (
            platform_events,  # the first for the listener
        )
        from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake

        self.events = platform_events.Dispatch()
        self.logs = LogIntake(self._settings, self._environ, self._batch, self._report, emf)
        if self._subscription is None:
            self.logs.expect_no_lines()
        for kind, handler in (
            (platform_events.FUNCTION, self._add_line),
            (platform_events.EXTENSION, self._add_line),
            (platform_events.INIT_START, self.logs.record_platform_start),
            (platform_events.RESTORE_START, self.logs.record_platform_start),
            (platform_events.START, self.logs.record_platform_start),
            (platform_events.RUNTIME_DONE, self._record_runtime_done),
            (platform_events.LOGS_DROPPED, self.logs.record_dropped_lines),
            (platform_events.ANY, self.logs.send_platform_event),
        ):
            self.events.add_handler(kind, handler)

    def _add_line(self, event: Event) -> None:
        self.logs.add_line(event, monotonic())

    def _record_runtime_done(self, event: Event) -> None:
        self._done.append((event.request_id, event.time_unix_ns))

    def receive(self, ready: set[int]) -> list[tuple[str, int]]:
        """Read from descriptors in `ready`; (request id, time_unix_ns) of each runtimeDone."""
        if self._subscription_descriptor in ready and self._subscription is not None:
            self._receive_answer(self._subscription)
        if self._listener is None:
            return []
        for body in self._listener.receive(ready):
            self._last_post_s = monotonic()
            if not self._is_repeated(body):
                self._publish_events(body)
        done, self._done = self._done, []
        return done

    def _is_repeated(self, body: bytes) -> bool:
        post = (len(body), hash(body))
        repeated = post in self._posts
        self._posts[post] = None
        if len(self._posts) > _POSTS_REMEMBERED:
            del self._posts[next(iter(self._posts))]
        return repeated

    def _publish_events(self, body: bytes) -> None:
        from serverless_instrument.forwarder.telemetry_api.platform_events import parse

        try:
            events, defects = parse(body)
        except ValueError as error:
            self._report("telemetry posts", f"a telemetry post cannot be read: {error}")
            return
        if defects:
            self._report("telemetry posts", f"{defects} elements of a post are no events")
        for event in events:
            try:
                self.events.publish(event)
            except Exception as error:  # one event, whatever it holds, must not cost the others
                kind = event.kind[:40]
                self._report("telemetry events", f"a {kind!r} event cannot be used: {error}")

    def _receive_answer(self, subscription: telemetry_subscription.TelemetrySubscription) -> None:
        descriptor = self._subscription_descriptor
        self._poller.unregister(descriptor)
        outcome = subscription.receive()
        if outcome == telemetry_subscription.PENDING:
            self._poller.register(descriptor, POLLIN)
            return
        self._subscription_descriptor = -1
        if outcome == telemetry_subscription.AGAIN:
            self._send_subscription(subscription)
        elif outcome == telemetry_subscription.ACTIVE:
            self.active = True
        else:
            self._give_up_subscription(subscription.problem)

    def _give_up_subscription(self, problem: str) -> None:
        """Stop listening: the platform will not post anything. `problem` is reported if any."""
        self._subscription = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if hasattr(self, "logs"):
            self.logs.expect_no_lines()
        if problem:
            self._report("telemetry", problem)

    @property
    def act_at_s(self) -> float:
        """When to call `send_due_lines` (monotonic)."""
        return self.logs.release_at_s

    def send_due_lines(self) -> None:
        """Send on lines that have been held long enough."""
        self.logs.send_due_lines(monotonic(), time_ns())

    def send_held_lines(self, *, last: bool = False) -> None:
        """Send on lines that are held: END came, or nothing more comes (`last`)."""
        self.logs.send_held_lines(time_ns(), last=last)

    def record_shutdown(self, budget_s: float) -> None:
        """SHUTDOWN came: `unsettled_s` counts from now, to a third of `budget_s` at most."""
        now_s = monotonic()
        self._last_post_s = max(self._last_post_s, now_s)
        self._settle_until_s = now_s + min(_LONGEST_SETTLING_S, budget_s / 3)

    def unsettled_s(self) -> float:
        """For how long the platform may still have something to hand over; 0 where not."""
        if not self.active:
            return 0.0
        now_s = monotonic()
        return max(0.0, min(self._last_post_s + _QUIET_S, self._settle_until_s) - now_s)
