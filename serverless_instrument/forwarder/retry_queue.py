"""Exports that wait to be delivered, and when to try; pure: time and randomness are arguments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.batch import Export

_LIMIT_BYTES = 8 * 1024 * 1024
_FIRST_BACKOFF_S = 1.0
_LAST_BACKOFF_S = 60.0


class RetryQueue:
    """Exports in order of arrival, bounded in bytes; an outage of the backend holds all back.

    One failure says that the backend is in trouble, and one breaker for all exports keeps the time
    it costs bounded: nothing is tried before `open_until_s`.
    """

    __slots__ = ("_backoff_s", "_limit_bytes", "_waiting", "dropped", "open_until_s", "size_bytes")

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._waiting: list[Export] = []
        self._backoff_s = 0.0
        self.size_bytes = 0
        self.dropped = 0
        self.open_until_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, export: Export) -> None:
        """Put `export` last; the oldest go where there is no room, and are counted."""
        self._waiting.append(export)
        self.size_bytes += len(export.body)
        while self.size_bytes > self._limit_bytes and self._waiting:
            oldest = self._waiting.pop(0)
            self.size_bytes -= len(oldest.body)
            self.dropped += oldest.count

    def take(self, now_s: float, *, insist: bool = False) -> list[Export]:
        """Everything that may be tried now; `insist` ignores the breaker."""
        if not insist and now_s < self.open_until_s:
            return []
        taken, self._waiting, self.size_bytes = self._waiting, [], 0
        return taken

    def delivered(self) -> None:
        """The backend answers: close the breaker."""
        self._backoff_s = 0.0
        self.open_until_s = 0.0

    def failed(
        self, export: Export, now_s: float, random: float, retry_after_s: float | None
    ) -> None:
        """Keep `export` for later and open the breaker, longer with every failure.

        `random` is from 0 to 1 and spreads many environments' attempts; `retry_after_s` is what
        the backend asked for.
        """
        if now_s >= self.open_until_s:
            self._backoff_s = min(self._backoff_s * 2 or _FIRST_BACKOFF_S, _LAST_BACKOFF_S)
        wait_s = self._backoff_s * (0.5 + random / 2)
        self.open_until_s = max(self.open_until_s, now_s + max(wait_s, retry_after_s or 0.0))
        self.add(export)
