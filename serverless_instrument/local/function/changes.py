"""Waiting for a condition on shared state."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Changes:
    """Wakes the waiters of conditions whenever the state may have changed.

    Every transition of an environment is a plain assignment in the event loop, followed by
    `notify_waiters`. A waiter names the condition it needs, so it cannot miss an early event.
    """

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify_waiters(self) -> None:
        """Make every waiter check its condition again."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_until(
        self, condition: Callable[[], bool], deadline_s: float | None = None
    ) -> bool:
        """Wait until `condition` holds; False if it does not by `deadline_s` (`time.monotonic`)."""
        while not condition():
            remaining_s = None if deadline_s is None else deadline_s - time.monotonic()
            if remaining_s is not None and remaining_s <= 0:
                return False
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait((waiter,), timeout=remaining_s)
            finally:
                self._waiters.discard(waiter)
                waiter.cancel()
        return True
