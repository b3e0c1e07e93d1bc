"""Exports that wait to be delivered, and when to try; pure: time and randomness are arguments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.batch import Export

_LIMIT_BYTES = 8 * 1024 * 1024
_FIRST_BACKOFF_S = 1.0
_LAST_BACKOFF_S = 60.0


class Breaker:
    """When one signal's backend may be tried again: nothing is before `open_until_s`."""

    __slots__ = ("_backoff_s", "open_until_s")

    def __init__(self) -> None:
        self._backoff_s = 0.0
        self.open_until_s = 0.0

    def failed(self, now_s: float, random: float, retry_after_s: float | None) -> None:
        """Stay open, longer with every attempt that failed.

        `random` is from 0 to 1 and spreads many environments' attempts; `retry_after_s` is what
        the backend asked for. Exports that were on their way together are one attempt.
        """
        if now_s >= self.open_until_s:
            self._backoff_s = min(self._backoff_s * 2 or _FIRST_BACKOFF_S, _LAST_BACKOFF_S)
        wait_s = self._backoff_s * (0.5 + random / 2)
        self.open_until_s = max(self.open_until_s, now_s + max(wait_s, retry_after_s or 0.0))


class RetryQueue:
    """Exports in order of arrival, bounded in bytes.

    A failure says that the backend is in trouble, and a breaker keeps the time that costs bounded.
    There is one for each signal: signals may have backends of their own, and one that is delivered
    says nothing of the others.
    """

    __slots__ = ("_arrivals", "_breakers", "_limit_bytes", "_waiting", "dropped", "size_bytes")

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._waiting: list[Export] = []
        self._arrivals = 0
        self._breakers: dict[str, Breaker] = {}
        self.size_bytes = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, export: Export) -> None:
        """Put `export` last, or, if it was taken before, where it was.

        The oldest go where there is no room, and are counted.
        """
        if not export.arrival:
            self._arrivals += 1
            export.arrival = self._arrivals
        place = len(self._waiting)
        while place and self._waiting[place - 1].arrival > export.arrival:
            place -= 1
        self._waiting.insert(place, export)
        self.size_bytes += len(export.body)
        while self.size_bytes > self._limit_bytes:
            oldest = self._waiting.pop(0)
            self.size_bytes -= len(oldest.body)
            self.dropped += oldest.count

    def take(self, now_s: float, room_bytes: int, *, insist: bool = False) -> list[Export]:
        """The oldest that may be tried now, until `room_bytes` are used up; the last may exceed it.

        `insist` ignores the breakers.
        """
        taken, kept = [], []
        for export in self._waiting:
            if room_bytes > 0 and (insist or now_s >= self._breaker(export).open_until_s):
                taken.append(export)
                room_bytes -= len(export.body)
                self.size_bytes -= len(export.body)
            else:
                kept.append(export)
        self._waiting = kept
        return taken

    def _breaker(self, export: Export) -> Breaker:
        return self._breakers.setdefault(export.signal, Breaker())

    def delivered(self, export: Export) -> None:
        """The backend took it: close the signal's breaker."""
        self._breakers.pop(export.signal, None)

    def failed(
        self, export: Export, now_s: float, random: float, retry_after_s: float | None
    ) -> None:
        """Keep `export` for later and open its signal's breaker; see `Breaker.failed`."""
        self._breaker(export).failed(now_s, random, retry_after_s)
        self.add(export)
