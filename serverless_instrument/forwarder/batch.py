"""Telemetry waiting for a flush, joined into export requests; pure.

Protobuf messages concatenate, so what the runtime encoded is only wrapped here, never parsed; but
metrics, of which a flush sends one point where many invocations measured.
"""

from __future__ import annotations

from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from serverless_instrument.forwarder.metric_aggregation import Aggregation

# OTLP receivers commonly refuse more than 4 MB; headers of resource and scope come on top.
MAX_REQUEST_BYTES = 4_000_000
_ENVELOPE_BYTES = 64
_METRICS = "metrics"


class Export:
    """One encoded ``Export{Trace,Logs,Metrics}ServiceRequest`` and the number of its items.

    `route` names its destination; `arrival` is its place in the order of exports, 0 before it has
    one.
    """

    __slots__ = ("arrival", "body", "count", "route", "signal")

    def __init__(self, signal: str, body: bytes, count: int, route: str = "") -> None:
        self.signal = signal
        self.route = route or signal
        self.body = body
        self.count = count
        self.arrival = 0


class Batch:
    """Items by signal, resource and scope, in the order in which they came; metrics merged.

    `resource` is that of the latest; `frames` counts what runtimes have sent, `dropped_frames` and
    `dropped_measurements` what they say that they had no room for. `size_bytes` leaves metrics out,
    whose number of points is bounded.

    Args:
        merge_metrics: False where metrics are to go on as they come.
    """

    __slots__ = (
        "_entries",
        "_merge_metrics",
        "_metrics",
        "dropped_frames",
        "dropped_measurements",
        "frames",
        "resource",
        "size_bytes",
    )

    def __init__(self, *, merge_metrics: bool = True) -> None:
        # (resource, scope, items, count); without a resource, a whole request.
        self._entries: dict[str, list[tuple[bytes | None, bytes, bytes, int]]] = {}
        self._metrics: Aggregation | None = None
        self._merge_metrics = merge_metrics
        self.size_bytes = 0
        self.resource = b""
        self.frames = 0
        self.dropped_frames = 0
        self.dropped_measurements = 0

    def __bool__(self) -> bool:
        return bool(self._entries or self._metrics)

    @property
    def metrics(self) -> Aggregation:
        """What waits of metrics; its code is loaded with the first who asks."""
        if self._metrics is None:
            from serverless_instrument.forwarder.metric_aggregation import Aggregation

            self._metrics = Aggregation()
        return self._metrics

    def add(self, signal: str, resource: bytes, scope: bytes, items: bytes, count: int) -> None:
        """Take `count` tagged items of one resource and scope, as in `wire.unpack_batch`."""
        if not items:
            return
        self.resource = resource
        if signal == _METRICS and self._merge_metrics:
            self.metrics.add(resource, scope, items)
        else:
            self._entries.setdefault(signal, []).append((resource, scope, items, count))
            self.size_bytes += len(items)

    def add_request(self, signal: str, body: bytes, count: int) -> None:
        """Take an encoded ``Export{Trace,Logs,Metrics}ServiceRequest`` of `count` items.

        Its fields are repeated ones, so it is joined with others as it is.
        """
        if body:
            self._entries.setdefault(signal, []).append((None, b"", body, count))
            self.size_bytes += len(body)

    def lost_metrics(self) -> dict[str, int]:
        """By reason, what was lost in merging since the last call."""
        if self._metrics is None or not self._metrics.dropped:
            return {}
        lost, self._metrics.dropped = self._metrics.dropped, {}
        return lost

    def take(self, max_bytes: int = MAX_REQUEST_BYTES) -> list[Export]:
        """Everything, as requests of at most `max_bytes` each unless one frame alone is larger."""
        self._collect()
        exports = []
        for signal, entries in self._entries.items():
            start, size = 0, 0
            seen: set[tuple[bytes | None, bytes]] = set()
            for index, (resource, scope, items, _) in enumerate(entries):
                added = len(items)
                wrapping = len(resource or b"") + len(scope) + _ENVELOPE_BYTES
                if (resource, scope) not in seen:
                    added += wrapping
                if size + added > max_bytes and index > start:
                    exports.append(_export(signal, entries[start:index]))
                    start, size, seen = index, 0, set()
                    added = len(items) + wrapping
                seen.add((resource, scope))
                size += added
            exports.append(_export(signal, entries[start:]))
        self.clear()
        return exports

    def _collect(self) -> None:
        # What there is may turn out to be no data point yet.
        if self._metrics and (collected := self._metrics.collect()):
            self._entries.setdefault(_METRICS, []).extend(collected)

    def clear(self) -> int:
        """Forget everything; the number of items that there were."""
        forgotten = sum([entry[3] for entries in self._entries.values() for entry in entries])
        if self._metrics is not None:
            # Not merged: that may be what went wrong.
            forgotten += self._metrics.clear()
        self._entries = {}
        self.size_bytes = 0
        return forgotten


def _export(signal: str, entries: Iterable[tuple[bytes | None, bytes, bytes, int]]) -> Export:
    grouped: dict[bytes, dict[bytes, list[bytes]]] = {}
    whole: list[bytes] = []
    total = 0
    for resource, scope, items, count in entries:
        total += count
        if resource is None:
            whole.append(items)
        else:
            grouped.setdefault(resource, {}).setdefault(scope, []).append(items)
    body = b"".join(
        [
            field(
                b"\x0a",
                field(b"\x0a", resource)
                + b"".join(
                    [field(b"\x12", scope + b"".join(items)) for scope, items in scopes.items()]
                ),
            )
            for resource, scopes in grouped.items()
        ]
        + whole
    )
    return Export(signal, body, total)
