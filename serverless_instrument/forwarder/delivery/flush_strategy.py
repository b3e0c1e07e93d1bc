"""When to flush: at the end of an invocation, at the start of one, or by a timer. Pure.

A flush at the end costs billed time; one at the start does not, as the function runs meanwhile. But
an environment may be frozen for long before the next start, so that telemetry comes late where the
function is not busy (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
"""

from __future__ import annotations

# kinds, as SERVERLESS_INSTRUMENT_FLUSH names them
ADAPTIVE, END, PERIODICALLY, CONTINUOUSLY = "adaptive", "end", "periodically", "continuously"
KINDS = (ADAPTIVE, END, PERIODICALLY, CONTINUOUSLY)
# At one invocation a second this is one flush in ten, and still soon enough for alarms; with the
# twenty seconds of other extensions users miss the data of the last minute.
DEFAULT_INTERVAL_MS = {
    ADAPTIVE: 10_000,
    END: 10_000,
    PERIODICALLY: 10_000,
    CONTINUOUSLY: 1_000,
}

# states
AT_END, AT_START, ASIDE, BY_TIMER = "at end", "at start", "aside", "by timer"
_FIRST_STATE = {ADAPTIVE: AT_END, END: AT_END, PERIODICALLY: AT_START, CONTINUOUSLY: ASIDE}
_ADAPTIVE_TABLE = {
    (AT_END, "steady"): ASIDE,
    (ASIDE, "sparse"): AT_END,
    (ASIDE, "idle"): AT_END,
}
# actions before /next: flush and wait, wait for what is under way, or neither
SEND, WAIT, GO = "send", "wait", "go"
_BEFORE_NEXT = {AT_END: SEND, AT_START: WAIT, ASIDE: GO, BY_TIMER: GO}

_REMEMBERED_TIMES = 20
_SLOWEST_MEAN_S = 60.0
# Three invocations missed at the slowest steady rate: the next may be the last for long.
_IDLE_S = 180.0


class FlushStrategy:
    """Decides when to flush.

    Every time is seconds on a clock that goes on over a freeze; see `FreezeClock`.

    Args:
        kind: one of `KINDS`.
        interval_ms: how long telemetry waits at most while there are invocations.
        frozen: whether the environment is frozen between invocations; Managed Instances are not,
            and have no INVOKE events, so there a timer is all there is.
    """

    __slots__ = ("_adaptive", "_interval_s", "_since_s", "_times", "state")

    def __init__(self, kind: str, interval_ms: int, now_s: float, *, frozen: bool = True) -> None:
        self.state = _FIRST_STATE[kind] if frozen else BY_TIMER
        self._adaptive = kind == ADAPTIVE and frozen
        if not frozen and kind in (ADAPTIVE, END):
            interval_ms = DEFAULT_INTERVAL_MS[CONTINUOUSLY]
        self._interval_s = interval_ms / 1000
        # The time of the last flush.
        self._since_s = now_s
        self._times: list[float] = []

    def record_invocation(self, now_s: float) -> bool:
        """Record an INVOKE event; whether to flush while the function runs."""
        if self._adaptive:
            self._observe(now_s)
        return self._left_s(now_s) <= 0

    def action_at_end(self) -> str:
        """What to do at the end of an invocation: `SEND`, `WAIT` or `GO`."""
        return _BEFORE_NEXT[self.state]

    def sends_late_items(self) -> bool:
        """Whether to flush at once what comes after its invocation, or before INVOKE."""
        return self.state == AT_END

    def record_flush(self, now_s: float) -> None:
        """Record a flush."""
        self._since_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until a flush is due although no event comes.

        On Lambda no timer expires between invocations, as the environment is frozen; elsewhere, and
        on Managed Instances, it does.
        """
        return max(0.0, self._left_s(now_s))

    def _left_s(self, now_s: float) -> float:
        self._since_s = min(self._since_s, now_s)  # the clock may be set back
        return self._since_s + self._interval_s - now_s

    def _observe(self, now_s: float) -> None:
        times = self._times
        if times and not 0 <= now_s - times[-1] <= _IDLE_S:
            times.clear()
            self._advance("idle")
        times.append(now_s)
        del times[:-_REMEMBERED_TIMES]
        if len(times) == _REMEMBERED_TIMES:
            mean_s = (times[-1] - times[0]) / (_REMEMBERED_TIMES - 1)
            self._advance("steady" if mean_s < _SLOWEST_MEAN_S else "sparse")

    def _advance(self, event: str) -> None:
        self.state = _ADAPTIVE_TABLE.get((self.state, event), self.state)
