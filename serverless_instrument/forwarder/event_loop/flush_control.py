"""When telemetry is sent: around an invocation (`FlushControl`) and at the end of all (`Drain`)."""

from __future__ import annotations

from time import monotonic

from serverless_instrument.forwarder.delivery.flush_strategy import GO, SEND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.delivery.flush_strategy import FlushStrategy
    from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
    from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry

# Lambda gives an extension two seconds at SHUTDOWN; a deadline further off is a defect.
_SHORTEST_DRAIN_S, _LONGEST_DRAIN_S = 0.2, 5.0
_RETRY_S = 0.2
# Billed time that one flush may cost; what takes longer goes on after the next thaw.
_FLUSH_BUDGET_S = 1.0
# Up to the deadline there must be time to ask for /next, and for Lambda to see it.
_DEADLINE_MARGIN_S = 0.1
_NEVER = float("inf")


def wait_limit_s(deadline_ms: int, now_unix_s: float) -> float:
    """How long the end of an invocation may wait for the backend before it asks for /next.

    Lambda counts the time up to /next to the invocation, and one that passes its deadline fails,
    however well the function has answered
    (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).

    Args:
        deadline_ms: of the invocation, milliseconds since the epoch; 0 where it is not known.
        now_unix_s: the time.
    """
    if not deadline_ms:
        return _FLUSH_BUDGET_S
    return max(0.0, min(_FLUSH_BUDGET_S, deadline_ms / 1000 - _DEADLINE_MARGIN_S - now_unix_s))


class FlushControl:
    """Has `delivery` send when `strategy` says so.

    Args:
        delivery: sends the batch.
        strategy: decides when.
        clock: seconds that go on over a freeze; see `FreezeClock`.
    """

    def __init__(
        self, delivery: Delivery, strategy: FlushStrategy, clock: Callable[[], float]
    ) -> None:
        self._delivery = delivery
        self._strategy = strategy
        self._clock = clock
        # When the end of an invocation began to wait for the backend (monotonic).
        self._waits_since_s = _NEVER

    def send(self) -> None:
        """Send everything now."""
        self._delivery.submit_batch()
        self._strategy.record_flush(self._clock())

    def send_at_invoke(self) -> None:
        """INVOKE came: send what is due, while the function runs."""
        if self._strategy.record_invocation(self._clock()):
            self.send()

    def send_late(self) -> None:
        """Telemetry came after the end of its invocation: send it if that end was flushed."""
        if self._strategy.sends_late_items():
            self.send()

    def flush_in_s(self) -> float:
        """Seconds until the batch is due although nothing happens."""
        return self._strategy.wait_s(self._clock()) if self._delivery.batch else _NEVER

    def flush_before_next(self, limit_s: float) -> bool:
        """An invocation ended: send what is due; whether /next has to wait for the backend.

        `limit_s` is how long it may wait; see `wait_limit_s`.
        """
        how = self._strategy.action_at_end()
        if how == SEND:
            self.send()
        if how == GO or not self._delivery.holds_next():
            return False
        if limit_s <= 0:
            self._delivery.go_on_without_waiting()
            return False
        self._waits_since_s = monotonic()
        return True

    def is_answered(self) -> bool:
        """Whether the backend has answered all that /next waits for; the wait is counted then."""
        if self._delivery.holds_next():
            return False
        if self._waits_since_s != _NEVER:
            self._delivery.record_wait(self._waited_s())
        return True

    def stop_waiting(self) -> None:
        """The flush has had its time: what is on its way goes on, and nobody waits for it."""
        self._delivery.stop_waiting(self._waited_s())

    def _waited_s(self) -> float:
        since_s, self._waits_since_s = self._waits_since_s, _NEVER
        return max(0.0, monotonic() - since_s)


class Drain:
    """Sends the last of everything, in the time that SHUTDOWN leaves.

    Attributes:
        again_at_s: when to call `send_again` (monotonic), infinity for never.
    """

    __slots__ = ("_delivery", "_outcomes", "_telemetry", "again_at_s")

    def __init__(self, telemetry: Telemetry, outcomes: Outcomes, delivery: Delivery) -> None:
        self._telemetry = telemetry
        self._outcomes = outcomes
        self._delivery = delivery
        self.again_at_s = _NEVER

    def begin(self, budget_s: float) -> float:
        """Send everything that there is; when the drain must end (monotonic)."""
        budget_s = min(max(_SHORTEST_DRAIN_S, budget_s), _LONGEST_DRAIN_S)
        self._telemetry.record_shutdown(budget_s)
        until_s = monotonic() + budget_s
        self._delivery.start_draining(until_s)
        return until_s

    def goes_on(self) -> bool:
        """Whether something may still come, or be delivered, before the end."""
        if unsettled_s := self._telemetry.unsettled_s():
            self.again_at_s = monotonic() + unsettled_s
            return True
        self._telemetry.send_held_lines(last=True)
        self._outcomes.finish()
        if self._delivery.batch:
            self._delivery.submit_batch()
        if self._delivery.in_flight:
            return True
        if self._delivery.may_try_again(_RETRY_S):
            self.again_at_s = monotonic() + _RETRY_S
            return True
        return False

    def send_again(self) -> None:
        """Repeat what could not be delivered."""
        self.again_at_s = _NEVER
        self._delivery.submit_batch()
