"""A clock that goes on while the environment is frozen, and never goes back. Pure.

CLOCK_MONOTONIC need not count the time of a freeze, and the wall clock may be set
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html). By the first
alone, a backoff of one minute would last ten hours where a function runs for 100 ms each minute.
"""

from __future__ import annotations


class FreezeClock:
    """Seconds since it was made, by whichever clock has advanced more since the last reading."""

    __slots__ = ("_monotonic_s", "_now_s", "_wall_s")

    def __init__(self, monotonic_s: float, wall_s: float) -> None:
        self._monotonic_s = monotonic_s
        self._wall_s = wall_s
        self._now_s = 0.0

    def at(self, monotonic_s: float, wall_s: float) -> float:
        """The time at these readings of the two clocks."""
        self._now_s += max(monotonic_s - self._monotonic_s, wall_s - self._wall_s, 0.0)
        self._monotonic_s, self._wall_s = monotonic_s, wall_s
        return self._now_s
