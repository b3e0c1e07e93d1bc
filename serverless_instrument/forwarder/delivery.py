"""From batch to backend: what waits, what is on its way, what became of it."""

from __future__ import annotations

from posix import urandom
from time import monotonic

from serverless_instrument.forwarder import otlp_http
from serverless_instrument.forwarder.backend import Backend
from serverless_instrument.forwarder.batch import Batch, Export
from serverless_instrument.forwarder.retry_queue import RetryQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.destination import Destination
    from serverless_instrument.forwarder.otlp_http import Verdict

# What is on its way is in nobody's bounds: the rest waits in the queue, which has one.
_IN_FLIGHT_BYTES = 4 * 1024 * 1024
_EARLY_FLUSH_BYTES = 1024 * 1024


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
        destinations: dict[str, list[Destination]],
        wake: Callable[[], None],
        report: Callable[[str, str], None],
    ) -> None:
        self.batch = Batch()
        self._destinations = destinations
        self._report = report
        # One in trouble must not hold up, or push out, what goes to another.
        self._queues = {d: RetryQueue() for listed in destinations.values() for d in listed}
        self._backend = Backend(destinations, wake)
        self._given_up = 0
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
            for destination in self._destinations.get(export.signal, ()):
                self._queues[destination].add(Export(export.signal, export.body, export.count))
        self._pump()

    def take_request(self, signal: str, body: bytes, count: int) -> None:
        """Put a whole request of the OTLP receiver in the batch; a large batch goes early."""
        self.batch.add_request(signal, body, count)
        if self.batch.size_bytes >= _EARLY_FLUSH_BYTES:
            self.submit()

    def drain(self, until_s: float) -> None:
        """Hand over everything, backend in trouble or not, with until `until_s` (monotonic)."""
        self._drain_until_s = until_s
        self.submit()

    def may_try_again(self, after_s: float) -> bool:
        """Whether a drain has something to repeat, and time for it `after_s` from now."""
        at_s = max(monotonic() + after_s, self._asked_to_wait_until_s)
        return any(self._queues.values()) and at_s < self._drain_until_s

    def _pump(self) -> None:
        now_s = monotonic()
        for destination, queue in self._queues.items():
            room_bytes = _IN_FLIGHT_BYTES - self._backend.in_flight_bytes_to(destination)
            for export in queue.take(now_s, room_bytes, insist=self._drain_until_s > 0):
                give_up_at_s = now_s + destination.timeout_ms / 1000
                if self._drain_until_s:
                    give_up_at_s = min(give_up_at_s, self._drain_until_s)
                self._backend.submit(export, destination, give_up_at_s)

    def settle(self) -> None:
        """Take note of what became of exports, and hand over what they made room for."""
        failed = False
        for export, destination, verdict in self._backend.results():
            if verdict.kind == otlp_http.RETRY:
                failed = True
                self._keep(export, destination, verdict)
            elif verdict.kind == otlp_http.DELIVERED:
                self._queues[destination].delivered(export)
                self._answered(destination, verdict.rejected, verdict.reason)
            else:
                self._answered(destination, export.count, verdict.reason)
        # A drain that is in trouble waits before it tries again; see `may_try_again`.
        if not (failed and self._drain_until_s):
            self._pump()

    def _answered(self, destination: Destination, rejected: int, reason: str) -> None:
        """Count and report `rejected` items; without a reason, all is well."""
        name = destination.name
        self._queues[destination].dropped += rejected
        self._report(f"{name} kept", "")
        text = f"{rejected} {name} items were refused: {reason}" if reason else ""
        self._report(f"{name} refused", text)

    def _keep(self, export: Export, destination: Destination, verdict: Verdict) -> None:
        now_s = monotonic()
        random = urandom(1)[0] / 255
        self._queues[destination].failed(export, now_s, random, verdict.retry_after_s)
        if verdict.retry_after_s is not None:
            self._asked_to_wait_until_s = now_s + verdict.retry_after_s
        self._report(
            f"{destination.name} kept",
            f"the backend is out of reach, {destination.name} are kept: {verdict.reason}",
        )

    def give_up_batch(self) -> None:
        """Drop what has not been handed over: it may be what an internal error came from."""
        self._given_up += self.batch.clear()

    def lost_items(self) -> int:
        """Items that will not arrive if everything ends now; what waits is given up."""
        self.give_up_batch()
        lost = self._given_up + self._backend.in_flight_items
        for queue in self._queues.values():
            waiting = queue.take(monotonic(), queue.size_bytes, insist=True)
            lost += sum([e.count for e in waiting]) + queue.dropped
        return lost
