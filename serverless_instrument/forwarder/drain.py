"""The last of everything, received and sent within the time that SHUTDOWN leaves."""

from __future__ import annotations

from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
    from serverless_instrument.forwarder.receivers import Receivers
    from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry

_SHORTEST_S, _LONGEST_S = 0.2, 5.0
_RETRY_S = 0.2
_NEVER = float("inf")


class Drain:
    """What happens between SHUTDOWN and exit.

    Attributes:
        again_at_s: when to call `send_again` (monotonic), infinity for never.
    """

    __slots__ = ("_delivery", "_outcomes", "_receivers", "_telemetry", "again_at_s")

    def __init__(
        self, receivers: Receivers, telemetry: Telemetry, outcomes: Outcomes, delivery: Delivery
    ) -> None:
        self._receivers = receivers
        self._telemetry = telemetry
        self._outcomes = outcomes
        self._delivery = delivery
        self.again_at_s = _NEVER

    def begin(self, budget_s: float) -> float:
        """Read and send everything that there is; when the drain must end (monotonic)."""
        self._receivers.receive_last(self._telemetry.logs.resource)
        budget_s = min(max(_SHORTEST_S, budget_s), _LONGEST_S)
        self._telemetry.record_shutdown(budget_s)
        until_s = monotonic() + budget_s
        self._delivery.drain(until_s)
        return until_s

    def goes_on(self) -> bool:
        """Whether something may still come, or be delivered, before the end."""
        if unsettled_s := self._telemetry.unsettled_s():
            self.again_at_s = monotonic() + unsettled_s
            return True
        self._telemetry.send_held_lines(last=True)
        self._outcomes.finish()
        if self._delivery.batch:
            self._delivery.submit()
        if self._delivery.in_flight:
            return True
        if self._delivery.may_try_again(_RETRY_S):
            self.again_at_s = monotonic() + _RETRY_S
            return True
        return False

    def send_again(self) -> None:
        """Repeat what could not be delivered."""
        self.again_at_s = _NEVER
        self._delivery.submit()
