"""Exports that wait to be delivered, and when to try; pure: time and randomness are arguments."""

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
# A flood of lines must not push out the traces: where there is no room, the signal goes that has
# most of what it may have. While there is room, each may have all of it.
SHARES = {TRACES: 8, METRICS: 5, LOGS: 3}
# Spilling goes on until this much of the limit is free: few large segments, not many small ones.
_FREED = 0.25
NEVER = float("inf")


class DestinationQueue:
    """What waits for one destination, oldest first, and how that destination does."""

    __slots__ = ("breaker", "out_bytes", "request_bytes", "signal", "size_bytes", "waiting")

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.breaker = CircuitBreaker()
        self.waiting: list[Export] = []
        self.size_bytes = 0
        # On its way.
        self.out_bytes = 0
        # The backend may take less than is usual; it says so with 413.
        self.request_bytes = MAX_REQUEST_BYTES

    @property
    def pressure(self) -> float:
        """Bytes for each part of its signal's share."""
        return self.size_bytes / SHARES[self.signal]

    def insert_export(self, export: Export) -> None:
        """Put `export` where its arrival says."""
        place = len(self.waiting)
        while place and self.waiting[place - 1].arrival > export.arrival:
            place -= 1
        self.waiting.insert(place, export)
        self.size_bytes += len(export.body)

    def take_range(self, start: int, stop: int) -> list[Export]:
        """Take out what stands at these places."""
        taken = self.waiting[start:stop]
        del self.waiting[start:stop]
        self.size_bytes -= sum([len(export.body) for export in taken])
        return taken

    def take_request(self, *, newest: bool) -> Export:
        """What goes next: the oldest alone to one in trouble, else as many as a request may hold.

        `newest` takes them from the other end: an environment often ends by what failed last.
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
        return joined(
            self.take_range(total - count, total) if newest else self.take_range(0, count)
        )


class RetryQueue:
    """Exports by destination, bounded in bytes, what is on its way included.

    What no longer fits is in `spilled`, in whatever order, until somebody takes it.
    """

    __slots__ = (
        "_arrivals",
        "_draining",
        "_lanes",
        "_limit_bytes",
        "spilled",
    )

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lanes: dict[str, DestinationQueue] = {}
        self._arrivals = 0
        self._draining = False
        self.spilled: list[Export] = []

    def __bool__(self) -> bool:
        return any(lane.waiting for lane in self._lanes.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of all that waits."""
        return sum([lane.size_bytes for lane in self._lanes.values()])

    @property
    def has_room(self) -> bool:
        """Whether there is room for what was spilled earlier."""
        return self.size_bytes <= self._limit_bytes * _FREED

    def holds_next(self) -> bool:
        """Whether something is on its way that an invocation's end should wait for.

        Frozen with its answer outstanding, a request would be sent again, and sums be doubled.
        """
        return any(lane.breaker.holds_next() for lane in self._lanes.values())

    def is_healthy(self, signal: str) -> bool:
        """Whether no destination of `signal` has known trouble."""
        return not any(
            lane.signal == signal and lane.breaker.state in (OPEN, PROBING)
            for lane in self._lanes.values()
        )

    def retry_at_s(self) -> float:
        """When something that waits for a destination in trouble may be tried; else `NEVER`."""
        at_s = NEVER
        for lane in self._lanes.values():
            if lane.waiting and lane.breaker.state == OPEN:
                at_s = min(at_s, lane.breaker.open_until_s)
        return at_s

    def add_export(self, export: Export) -> None:
        """Put `export` last, or, if it was taken before, where it was; spill what has no room."""
        if not export.arrival:
            self._arrivals += 1
            export.arrival = self._arrivals
        self._lane(export).insert_export(export)
        out_bytes = sum([lane.out_bytes for lane in self._lanes.values()])
        if self.size_bytes + out_bytes > self._limit_bytes:
            self._spill(max(0, self._limit_bytes * (1 - _FREED) - out_bytes))

    def _lane(self, export: Export) -> DestinationQueue:
        lane = self._lanes.get(export.route)
        if lane is None:
            lane = self._lanes[export.route] = DestinationQueue(export.signal)
            if self._draining:
                lane.breaker.start_draining()
        return lane

    def _spill(self, allowed_bytes: float) -> None:
        while (size_bytes := self.size_bytes) > allowed_bytes:
            fullest = max(self._lanes.values(), key=_pressure)
            count, freed = 0, 0
            # The whole excess of the fullest at once would take it below the others.
            while count < len(fullest.waiting) and size_bytes - freed > allowed_bytes:
                freed += len(fullest.waiting[count].body)
                count += 1
                if (fullest.size_bytes - freed) / SHARES[fullest.signal] < self._second(fullest):
                    break
            self.spilled += fullest.take_range(0, count)

    def _second(self, fullest: DestinationQueue) -> float:
        return max([x.pressure for x in self._lanes.values() if x is not fullest], default=0.0)

    def take_due_exports(self, now_s: float) -> list[Export]:
        """One request for each destination that may be tried now, the more valuable first."""
        taken = []
        for lane in sorted(self._lanes.values(), key=_value):
            if lane.waiting and lane.breaker.may_send(now_s):
                request = lane.take_request(newest=self._draining)
                lane.out_bytes = len(request.body)
                taken.append(request)
                lane.breaker.record_sent()
        return taken

    def record_answer(self, export: Export) -> None:
        """The backend took it or refused it for good."""
        lane = self._lane(export)
        lane.out_bytes = 0
        lane.breaker.record_answer()

    def keep_failed(
        self, export: Export, now_s: float, random: float, retry_after_s: float | None
    ) -> None:
        """Keep `export` for later; see `CircuitBreaker.failed`."""
        lane = self._lane(export)
        lane.out_bytes = 0
        lane.breaker.record_failure(now_s, random, retry_after_s)
        self.add_export(export)

    def keep_parts(self, export: Export, parts: list[Export]) -> None:
        """The backend wants smaller requests: keep the `parts` of `export`."""
        lane = self._lane(export)
        lane.out_bytes = 0
        lane.breaker.record_answer()
        lane.request_bytes = min(lane.request_bytes, max(len(export.body) // 2, 1))
        for part in parts:
            part.arrival = export.arrival
            self.add_export(part)

    def record_overrun(self) -> None:
        """What is on its way has had its share of billed time."""
        for lane in self._lanes.values():
            lane.breaker.record_overrun()

    def start_draining(self) -> None:
        """There will be no later; see `CircuitBreaker.drain`."""
        self._draining = True
        for lane in self._lanes.values():
            lane.breaker.start_draining()

    def take_all_exports(self) -> list[Export]:
        """Take everything out."""
        everything = self.spilled
        self.spilled = []
        for lane in sorted(self._lanes.values(), key=_value):
            everything += lane.take_range(0, len(lane.waiting))
        return everything


def _pressure(lane: DestinationQueue) -> float:
    return lane.pressure


def _value(lane: DestinationQueue) -> int:
    return -SHARES[lane.signal]


def joined(exports: list[Export]) -> Export:
    """One export of the same items: its messages' fields are repeated, so the bytes concatenate."""
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
