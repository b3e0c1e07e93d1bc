"""Whether one destination may be tried, and whether its answer is worth waiting for; pure.

One request at a time: a destination in trouble is tried with one export and not with all that
waits, and an outage costs billed time once, not with every invocation.
"""

from __future__ import annotations

# states
CLOSED, BUSY, OPEN, PROBING = "closed", "busy", "open", "probing"
_TABLE = {
    (CLOSED, "sent"): BUSY,
    # After answers that came too late the next are not waited for either.
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
# While everything is about to end there is no time for more.
_DRAIN_BACKOFF_S = 0.2
# With every overrun in a row twice as many flushes are not waited for, up to 63.
_MOST_DOUBLINGS = 6


class CircuitBreaker:
    """State of one destination; times are monotonic seconds.

    `holds_next` says whether something is on its way that an invocation's end should wait for.
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
        """See the class."""
        return self.state == BUSY

    def may_send(self, now_s: float) -> bool:
        """Whether one request may be sent now."""
        return self.state == CLOSED or (self.state == OPEN and now_s >= self.open_until_s)

    def record_sent(self) -> None:
        """One request is on its way."""
        aside = self.state == CLOSED and self._aside > 0
        self._aside -= aside
        self._advance("sent aside" if aside else "sent")

    def record_answer(self) -> None:
        """The backend took it, or refused it for good: it is there."""
        if self.state == BUSY:
            self._overruns = 0
        self._backoff_s = 0.0
        self._advance("answered")

    def record_overrun(self) -> None:
        """What is on its way has had its share of billed time."""
        if self.state == BUSY:
            self._overruns = min(self._overruns + 1, _MOST_DOUBLINGS)
            self._aside = (1 << self._overruns) - 1
            self._advance("overran")

    def record_failure(self, now_s: float, random: float, retry_after_s: float | None) -> None:
        """Stay open, longer with every attempt that failed.

        `random` is from 0 to 1 and spreads many environments' attempts; `retry_after_s` is what
        the backend asked for (https://opentelemetry.io/docs/specs/otlp/#otlphttp-throttling).
        """
        self._backoff_s = min(self._backoff_s * 2 or _FIRST_BACKOFF_S, _LAST_BACKOFF_S)
        wait_s = self._backoff_s * (0.5 + random / 2)
        if self._draining:
            wait_s = _DRAIN_BACKOFF_S
        self.open_until_s = now_s + max(wait_s, retry_after_s or 0.0)
        self._advance("failed")

    def start_draining(self) -> None:
        """There will be no later: forget what was, and try again soon after each failure."""
        self._draining = True
        self._aside = 0
        self.open_until_s = 0.0

    def _advance(self, event: str) -> None:
        self.state = _TABLE.get((self.state, event), self.state)
