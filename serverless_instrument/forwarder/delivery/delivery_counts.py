"""Counts of items that were received, sent, tried again and dropped. Pure."""

from __future__ import annotations

# what is counted
RECEIVED, SENT, RETRIED, UNANSWERED, DROPPED, FRAMES, FLUSH_S = (
    "items.received",
    "items.sent",
    "items.retried",
    "items.unanswered",
    "items.dropped",
    "frames.received",
    "flush.time",
)
# why something is dropped
REFUSED = "refused"
TOO_LARGE = "too large"
NO_ROOM = "no room"
DAMAGED = "damaged on disk"
INTERNAL_ERROR = "internal error"
NO_DESTINATION = "no destination any more"
MALFORMED_EMF = "malformed EMF"
MALFORMED_STATSD = "malformed StatsD"
STATSD_EVENT = "StatsD event or service check"
STATSD_OVERRUN = "StatsD socket full"
SLOW_FORWARDER = "dropped in the runtime"
PLATFORM = "dropped by the platform"
TOO_MANY_VALUES = "too many values in an invocation"

Key = tuple[str, str, str]


class DeliveryCounts:
    """Counts by (what, signal or "", reason or ""), since the start and since the last report."""

    __slots__ = ("_reported", "_total")

    def __init__(self) -> None:
        self._total: dict[Key, float] = {}
        self._reported: dict[Key, float] = {}

    def add_count(self, what: str, number: float, signal: str = "", reason: str = "") -> None:
        """Add `number` to the count of `what`."""
        if number:
            key = (what, signal, reason)
            self._total[key] = self._total.get(key, 0) + number

    def take_unreported(self) -> dict[Key, float]:
        """What was counted since the last call."""
        since = {
            key: number - self._reported.get(key, 0)
            for key, number in self._total.items()
            if number != self._reported.get(key, 0)
        }
        self._reported = dict(self._total)
        return since

    def describe_losses(self) -> str:
        """One line on what was dropped, and why, and what may arrive twice; "" if nothing."""
        lines = []
        total, parts = self._parts(DROPPED)
        if parts:
            lines.append(f"{total} items were not delivered: {parts}")
        total, parts = self._parts(UNANSWERED)
        if parts:
            lines.append(f"{total} items may arrive twice, nobody answered their requests: {parts}")
        return "; ".join(lines)

    def _parts(self, what: str) -> tuple[int, str]:
        """(total, text of the numbers by signal and reason, the largest first)."""
        counted = {key: int(n) for key, n in self._total.items() if key[0] == what}
        parts = [
            f"{number} {signal}" + (f" ({reason})" if reason else "")
            for (_, signal, reason), number in sorted(counted.items(), key=lambda item: -item[1])
        ]
        return sum(counted.values()), ", ".join(parts)
