"""From batch to backend: what waits, what is on its way, what became of it."""

from __future__ import annotations

from posix import urandom
from time import monotonic

from serverless_instrument.forwarder import otlp_http
from serverless_instrument.forwarder.backend import Backend
from serverless_instrument.forwarder.batch import Batch
from serverless_instrument.forwarder.retry_queue import RetryQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.batch import Export
    from serverless_instrument.forwarder.otlp_http import Verdict
    from serverless_instrument.forwarder.settings import Destination

# What is on its way is in nobody's bounds: the rest waits in the queue, which has one.
_IN_FLIGHT_BYTES = 4 * 1024 * 1024


class Delivery:
    """Hands what `batch` holds to the backend's thread, and keeps what does not arrive.

    Args:
        destinations: by signal; items of others are discarded.
        wake: called, from the thread, when there is something to settle.
        report: says one line, given a subject and a message, but no second one of a subject before
            "" has been its message.
    """

    def __init__(
        self,
        destinations: dict[str, Destination],
        wake: Callable[[], None],
        report: Callable[[str, str], None],
    ) -> None:
        self.batch = Batch()
        self._destinations = destinations
        self._report = report
        self._queue = RetryQueue()
        self._backend = Backend(destinations, wake)
        self._drain_until_s = 0.0
        self._asked_to_wait_until_s = 0.0

    def warm_up(self) -> None:
        """Load what the first export will need."""
        self._backend.warm_up()

    @property
    def in_flight(self) -> int:
        """Exports that the backend's thread has not answered for."""
        return self._backend.in_flight

    def submit(self) -> None:
        """Hand over everything that waits and may be tried."""
        for export in self.batch.take():
            if export.signal in self._destinations:
                self._queue.add(export)
        self._pump()

    def drain(self, until_s: float) -> None:
        """Hand over everything, backend in trouble or not, with until `until_s` (monotonic)."""
        self._drain_until_s = until_s
        self.submit()

    def may_try_again(self, after_s: float) -> bool:
        """Whether a drain has something to repeat, and time for it `after_s` from now."""
        at_s = max(monotonic() + after_s, self._asked_to_wait_until_s)
        return bool(self._queue) and at_s < self._drain_until_s

    def _pump(self) -> None:
        now_s = monotonic()
        room_bytes = _IN_FLIGHT_BYTES - self._backend.in_flight_bytes
        for export in self._queue.take(now_s, room_bytes, insist=self._drain_until_s > 0):
            give_up_at_s = now_s + self._destinations[export.signal].timeout_ms / 1000
            if self._drain_until_s:
                give_up_at_s = min(give_up_at_s, self._drain_until_s)
            self._backend.submit(export, give_up_at_s)

    def settle(self) -> None:
        """Take note of what became of exports, and hand over what they made room for."""
        failed = False
        for export, verdict in self._backend.results():
            if verdict.kind == otlp_http.RETRY:
                failed = True
                self._keep(export, verdict)
            elif verdict.kind == otlp_http.DELIVERED:
                self._queue.delivered(export)
                self._answered(export, verdict.rejected, verdict.reason)
            else:
                self._answered(export, export.count, verdict.reason)
        # A drain that is in trouble waits before it tries again; see `may_try_again`.
        if not (failed and self._drain_until_s):
            self._pump()

    def _answered(self, export: Export, rejected: int, reason: str) -> None:
        """Count and report `rejected` items; without a reason, all is well."""
        signal = export.signal
        self._queue.dropped += rejected
        self._report(f"{signal} kept", "")
        text = f"{rejected} {signal} items were refused: {reason}" if reason else ""
        self._report(f"{signal} refused", text)

    def _keep(self, export: Export, verdict: Verdict) -> None:
        now_s = monotonic()
        random = urandom(1)[0] / 255
        self._queue.failed(export, now_s, random, verdict.retry_after_s)
        if verdict.retry_after_s is not None:
            self._asked_to_wait_until_s = now_s + verdict.retry_after_s
        self._report(
            f"{export.signal} kept",
            f"the backend is out of reach, {export.signal} are kept: {verdict.reason}",
        )

    def give_up_batch(self) -> None:
        """Drop what has not been handed over: it may be what an internal error came from."""
        self._queue.dropped += self.batch.clear()

    def lost_items(self) -> int:
        """Items that will not arrive if everything ends now; what waits is given up."""
        self.give_up_batch()
        waiting = self._queue.take(monotonic(), self._queue.size_bytes, insist=True)
        return sum([e.count for e in waiting]) + self._queue.dropped + self._backend.in_flight_items
