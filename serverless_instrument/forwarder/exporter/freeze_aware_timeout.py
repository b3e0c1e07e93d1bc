"""A timeout that does not count time in which the environment was frozen. Pure.

The response to a request that was sent before a freeze may come only after the thaw. If the freeze
counted, the request would time out, be sent again, and arrive twice.
"""

from __future__ import annotations

# A busy machine wakes late, too; taking that for a freeze extends the timeout by as much.
_NOTICEABLE_S = 0.25


class FreezeAwareTimeout:
    """Waits until `give_up_at_s` (monotonic); a wait in which the process froze starts again."""

    __slots__ = ("_awake_by_s", "_give_up_at_s", "_left_s")

    def __init__(self, give_up_at_s: float, now_s: float) -> None:
        self._give_up_at_s = give_up_at_s
        self._left_s = give_up_at_s - now_s
        # When the last wait was to be over.
        self._awake_by_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds for the next wait. Raises TimeoutError where no time is left."""
        if now_s - self._awake_by_s > _NOTICEABLE_S:
            # When the freeze began is unknown, so none of that wait counts.
            self._give_up_at_s = now_s + self._left_s
        self._left_s = self._give_up_at_s - now_s
        if self._left_s <= 0:
            raise TimeoutError("no answer in time")
        self._awake_by_s = self._give_up_at_s
        return self._left_s
