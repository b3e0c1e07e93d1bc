"""A circuit breaker for one destination: may it be tried, and is its response waited for. Pure.

There is one request at a time: a failing destination is tried with one export and not with all that
wait, and an outage costs billed time once and not at every invocation.
"""

from __future__ import annotations

# states
CLOSED, BUSY, OPEN, PROBING = "closed", "busy", "open", "probing"
_TABLE = {
    (CLOSED, "sent"): BUSY,
    # After responses that came too late, the next ones are not waited for.
    (CLOSED, "sent aside"): PROBING,
    (OPEN, "sent"): PROBING,
    (BUSY, "answered"): CLOSED,
    (BUSY, "failed"): OPEN,
    (BUSY, "overran"): PROBING,
    (PROBING, "answered"): CLOSED,
    (PROBING, "failed"): OPEN,
}

_FIRST_BACKOFF_S = 1.0
_LAST_BACKOFF_S = 60.0
# At SHUTDOWN there is no time for a longer one.
_DRAIN_BACKOFF_S = 0.2
# Each overrun in a row doubles the number of flushes that are not waited for, up to 63.
_MAX_DOUBLINGS = 6


class CircuitBreaker:
    """State of one destination; times are seconds of the `FreezeClock`.

    States: `CLOSED` (usable), `BUSY` (a request is under way, and waited for), `OPEN` (not usable
    before `open_until_s`), `PROBING` (a request is under way that nothing waits for).
    """

    __slots__ = ("_aside", "_backoff_s", "_draining", "_overruns", "open_until_s", "state")

    def __init__(self) -> None:
        self.state = CLOSED
        self.open_until_s = 0.0
        self._backoff_s = 0.0
        self._overruns = 0
        self._aside = 0
        self._draining = False

    def holds_next(self) -> bool:
        """Whether the end of an invocation waits for the request that is under way."""
        return self.state == BUSY

    def may_send(self, now_s: float) -> bool:
        """Whether one request may be sent now."""
        return self.state == CLOSED or (self.state == OPEN and now_s >= self.open_until_s)

    def record_sent(self) -> None:
        """Record that a request was sent."""
        aside = self.state == CLOSED and self._aside > 0
        self._aside -= aside
        self._advance("sent aside" if aside else "sent")

    def record_answer(self) -> None:
        """Record a response that is final: the backend took the request, or rejected it."""
        if self.state == BUSY:
            self._overruns = 0
        self._backoff_s = 0.0
        self._advance("answered")

    def record_overrun(self) -> None:
        """Record that the request has used its share of billed time."""
        if self.state == BUSY:
            self._overruns = min(self._overruns + 1, _MAX_DOUBLINGS)
            self._aside = (1 << self._overruns) - 1
            self._advance("overran")

    def let_go(self) -> None:
        """Record that the request is not waited for, for want of time and not for its own."""
        self._advance("overran")

    def record_failure(self, now_s: float, random: float, retry_after_s: float | None) -> None:
        """Record a failure: stay open, longer with each failure in a row.

        `random` (0 to 1) spreads the attempts of many environments; `retry_after_s` is what the
        backend asked for (https://opentelemetry.io/docs/specs/otlp/#otlphttp-throttling).
        """
        self._backoff_s = min(self._backoff_s * 2 or _FIRST_BACKOFF_S, _LAST_BACKOFF_S)
        wait_s = self._backoff_s * (0.5 + random / 2)
        if self._draining:
            wait_s = _DRAIN_BACKOFF_S
        self.open_until_s = now_s + max(wait_s, retry_after_s or 0.0)
        self._advance("failed")

    def start_draining(self) -> None:
        """At SHUTDOWN: forget earlier failures, and try again soon after each new one."""
        self._draining = True
        self._aside = 0
        self.open_until_s = 0.0

    def _advance(self, event: str) -> None:
        self.state = _TABLE.get((self.state, event), self.state)
