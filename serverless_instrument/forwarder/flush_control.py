"""Flushes around an invocation: what is sent when, and what the end of one waits for."""

from __future__ import annotations

from time import monotonic

from serverless_instrument.forwarder.delivery.flush_strategy import GO, SEND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.delivery.flush_strategy import FlushStrategy

_NEVER = float("inf")


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
        self._delivery.submit()
        self._strategy.sent(self._clock())

    def send_at_invoke(self) -> None:
        """INVOKE came: send what is due, while the function runs."""
        if self._strategy.invoked(self._clock()):
            self.send()

    def send_late(self) -> None:
        """Telemetry came after the end of its invocation: send it if that end was flushed."""
        if self._strategy.late():
            self.send()

    def flush_in_s(self) -> float:
        """Seconds until the batch is due although nothing happens."""
        return self._strategy.wait_s(self._clock()) if self._delivery.batch else _NEVER

    def flush_before_next(self) -> bool:
        """An invocation ended: send what is due; whether /next has to wait for the backend."""
        how = self._strategy.ended()
        if how == SEND:
            self.send()
        if how == GO or not self._delivery.holds_next():
            return False
        self._waits_since_s = monotonic()
        return True

    def is_answered(self) -> bool:
        """Whether the backend has answered all that /next waits for; the wait is counted then."""
        if self._delivery.holds_next():
            return False
        if self._waits_since_s != _NEVER:
            self._delivery.waited(self._waited_s())
        return True

    def stop_waiting(self) -> None:
        """The flush has had its time: what is on its way goes on, and nobody waits for it."""
        self._delivery.overran(self._waited_s())

    def _waited_s(self) -> float:
        since_s, self._waits_since_s = self._waits_since_s, _NEVER
        return max(0.0, monotonic() - since_s)
