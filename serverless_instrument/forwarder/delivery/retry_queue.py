"""Exports that wait to be delivered, and when to try each destination. Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.delivery.batch import MAX_REQUEST_BYTES
from serverless_instrument.forwarder.delivery.circuit_breaker import (
    CLOSED,
    OPEN,
    PROBING,
    CircuitBreaker,
)
from serverless_instrument.forwarder.destinations.destination import LOGS, METRICS, TRACES
from serverless_instrument.forwarder.exporter.export import Export

DEFAULT_LIMIT_BYTES = 8 * 1024 * 1024
# Where there is no room, the signal that exceeds its share most gives way, so that a flood of log
# lines does not push out the traces. While there is room, each signal may use all of it.
SHARES = {TRACES: 8, METRICS: 5, LOGS: 3}
# Spilling frees this part of the limit at once, which makes few large segments on disk.
_FREED = 0.25
NEVER = float("inf")


class DestinationQueue:
    """The exports that wait for one destination, oldest first, and its circuit breaker."""

    __slots__ = ("breaker", "out_bytes", "request_bytes", "signal", "size_bytes", "waiting")

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.breaker = CircuitBreaker()
        self.waiting: list[Export] = []
        self.size_bytes = 0
        # Of the request that is under way.
        self.out_bytes = 0
        # Lowered where the backend responds with 413.
        self.request_bytes = MAX_REQUEST_BYTES

    @property
    def pressure(self) -> float:
        """Bytes relative to the share of its signal."""
        return self.size_bytes / SHARES[self.signal]

    def insert_export(self, export: Export) -> None:
        """Insert `export` in the order of arrival."""
        place = len(self.waiting)
        while place and self.waiting[place - 1].arrival > export.arrival:
            place -= 1
        self.waiting.insert(place, export)
        self.size_bytes += len(export.body)

    def take_range(self, start: int, stop: int) -> list[Export]:
        """Take out the exports from `start` to before `stop`."""
        taken = self.waiting[start:stop]
        del self.waiting[start:stop]
        self.size_bytes -= sum([len(export.body) for export in taken])
        return taken

    def take_request(self, *, newest: bool) -> Export:
        """The next request: only the oldest export if the destination fails, else as many as fit.

        `newest` takes them from the other end, as the latest often tell why an environment ends.
        """
        if self.breaker.state != CLOSED and not newest:
            return self.take_range(0, 1)[0]
        count, size = 0, 0
        for export in reversed(self.waiting) if newest else self.waiting:
            size += len(export.body)
            if count and size > self.request_bytes:
                break
            count += 1
        total = len(self.waiting)
        return join_exports(
            self.take_range(total - count, total) if newest else self.take_range(0, count)
        )


class RetryQueue:
    """Exports by destination, bounded in bytes, with those that are under way.

    Exports that have no room are moved to `spilled`, in no particular order.
    """

    __slots__ = (
        "_arrivals",
        "_draining",
        "_limit_bytes",
        "_queues",
        "spilled",
    )

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._queues: dict[str, DestinationQueue] = {}
        self._arrivals = 0
        self._draining = False
        self.spilled: list[Export] = []

    def __bool__(self) -> bool:
        return any(queue.waiting for queue in self._queues.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of all exports that wait."""
        return sum([queue.size_bytes for queue in self._queues.values()])

    @property
    def has_room(self) -> bool:
        """Whether there is room for exports that were spilled earlier."""
        return self.size_bytes <= self._limit_bytes * _FREED

    def holds_next(self) -> bool:
        """Whether a request is under way that the end of an invocation waits for.

        If the environment froze before its response came, it might be sent again and arrive twice.
        """
        return any(queue.breaker.holds_next() for queue in self._queues.values())

    def is_healthy(self, signal: str) -> bool:
        """Whether no destination of `signal` is known to fail."""
        return not any(
            queue.signal == signal and queue.breaker.state in (OPEN, PROBING)
            for queue in self._queues.values()
        )

    def retry_at_s(self) -> float:
        """When a failing destination with exports may be tried again; `NEVER` without one."""
        at_s = NEVER
        for queue in self._queues.values():
            if queue.waiting and queue.breaker.state == OPEN:
                at_s = min(at_s, queue.breaker.open_until_s)
        return at_s

    def add_export(self, export: Export) -> None:
        """Add `export` at the end, or where it was if it was taken; spill what has no room."""
        if not export.arrival:
            self._arrivals += 1
            export.arrival = self._arrivals
        self._queue_of(export).insert_export(export)
        out_bytes = sum([queue.out_bytes for queue in self._queues.values()])
        if self.size_bytes + out_bytes > self._limit_bytes:
            self._spill(max(0, self._limit_bytes * (1 - _FREED) - out_bytes))

    def _queue_of(self, export: Export) -> DestinationQueue:
        queue = self._queues.get(export.route)
        if queue is None:
            queue = self._queues[export.route] = DestinationQueue(export.signal)
            if self._draining:
                queue.breaker.start_draining()
        return queue

    def _spill(self, allowed_bytes: float) -> None:
        while (size_bytes := self.size_bytes) > allowed_bytes:
            fullest = max(self._queues.values(), key=_pressure)
            count, freed = 0, 0
            # Stop where another one becomes the fullest.
            while count < len(fullest.waiting) and size_bytes - freed > allowed_bytes:
                freed += len(fullest.waiting[count].body)
                count += 1
                if (fullest.size_bytes - freed) / SHARES[fullest.signal] < self._second_pressure(
                    fullest
                ):
                    break
            self.spilled += fullest.take_range(0, count)

    def _second_pressure(self, fullest: DestinationQueue) -> float:
        return max([x.pressure for x in self._queues.values() if x is not fullest], default=0.0)

    def take_due_exports(self, now_s: float) -> list[Export]:
        """One request for each destination that may be tried now, in the order of `SHARES`."""
        taken = []
        for queue in sorted(self._queues.values(), key=_rank):
            if queue.waiting and queue.breaker.may_send(now_s):
                request = queue.take_request(newest=self._draining)
                queue.out_bytes = len(request.body)
                taken.append(request)
                queue.breaker.record_sent()
        return taken

    def record_answer(self, export: Export) -> None:
        """Record that the backend took `export`, or rejected it."""
        queue = self._queue_of(export)
        queue.out_bytes = 0
        queue.breaker.record_answer()

    def keep_failed(
        self, export: Export, now_s: float, random: float, retry_after_s: float | None
    ) -> None:
        """Keep `export` for later; see `CircuitBreaker.record_failure`."""
        queue = self._queue_of(export)
        queue.out_bytes = 0
        queue.breaker.record_failure(now_s, random, retry_after_s)
        self.add_export(export)

    def keep_parts(self, export: Export, parts: list[Export]) -> None:
        """Keep the `parts` of `export` instead: the backend wants smaller requests."""
        queue = self._queue_of(export)
        queue.out_bytes = 0
        queue.breaker.record_answer()
        queue.request_bytes = min(queue.request_bytes, max(len(export.body) // 2, 1))
        for part in parts:
            part.arrival = export.arrival
            self.add_export(part)

    def record_overrun(self) -> None:
        """Record that the requests under way have used their share of billed time."""
        for queue in self._queues.values():
            queue.breaker.record_overrun()

    def let_go(self) -> None:
        """The requests under way are not waited for, which tells nothing of them."""
        for queue in self._queues.values():
            queue.breaker.let_go()

    def start_draining(self) -> None:
        """See `CircuitBreaker.start_draining`."""
        self._draining = True
        for queue in self._queues.values():
            queue.breaker.start_draining()

    def take_all_exports(self) -> list[Export]:
        """Take everything out, the spilled exports included."""
        everything = self.spilled
        self.spilled = []
        for queue in sorted(self._queues.values(), key=_rank):
            everything += queue.take_range(0, len(queue.waiting))
        return everything


def _pressure(queue: DestinationQueue) -> float:
    return queue.pressure


def _rank(queue: DestinationQueue) -> int:
    return -SHARES[queue.signal]


def join_exports(exports: list[Export]) -> Export:
    """One export of the same items: its only field is repeated, so that the bytes concatenate."""
    first = exports[0]
    if len(exports) == 1:
        return first
    one = Export(
        first.signal,
        b"".join([export.body for export in exports]),
        sum([export.count for export in exports]),
        first.route,
    )
    one.arrival = first.arrival
    one.doubtful = sum([export.doubtful for export in exports])
    return one
