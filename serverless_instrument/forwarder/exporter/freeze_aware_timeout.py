"""Waiting for an answer in time that the process has been awake; pure.

What was on its way when the environment was frozen may be answered only after the thaw. If the
freeze counted, it would be given up then, sent again, and arrive twice.
"""

from __future__ import annotations

# A busy machine wakes late, too; taking that for a freeze costs as much more patience.
_NOTICEABLE_S = 0.25


class Patience:
    """How long to wait: until `give_up_at_s`, and anew after a wait in which the process froze."""

    __slots__ = ("_awake_by_s", "_give_up_at_s", "_left_s")

    def __init__(self, give_up_at_s: float, now_s: float) -> None:
        self._give_up_at_s = give_up_at_s
        self._left_s = give_up_at_s - now_s
        # When the last wait was to be over.
        self._awake_by_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds for the next wait. Raises TimeoutError where there are none left."""
        if now_s - self._awake_by_s > _NOTICEABLE_S:
            # Nobody knows when it froze: none of that wait counts.
            self._give_up_at_s = now_s + self._left_s
        self._left_s = self._give_up_at_s - now_s
        if self._left_s <= 0:
            raise TimeoutError("no answer in time")
        self._awake_by_s = self._give_up_at_s
        return self._left_s
