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

    `arrival` is its place in the order of exports, 0 before it has one.
    """

    __slots__ = ("arrival", "body", "count", "signal")

    def __init__(self, signal: str, body: bytes, count: int) -> None:
        self.signal = signal
        self.body = body
        self.count = count
        self.arrival = 0


class Batch:
    """Items by signal, resource and scope, in the order in which they came; metrics merged.

    `size_bytes` leaves metrics out, whose number of points is bounded.
    """

    __slots__ = ("_entries", "_metrics", "size_bytes")

    def __init__(self) -> None:
        self._metrics: Aggregation | None = None
        self._entries: dict[str, list[tuple[bytes, bytes, bytes, int]]] = {}
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._entries or self._metrics)

    @property
    def metrics(self) -> Aggregation:
        """What waits of metrics; its code is loaded with the first."""
        if self._metrics is None:
            from serverless_instrument.forwarder.metric_aggregation import Aggregation

            self._metrics = Aggregation()
        return self._metrics

    def add(self, signal: str, resource: bytes, scope: bytes, items: bytes, count: int) -> None:
        """Take `count` tagged items of one resource and scope, as in `wire.unpack_batch`."""
        if items and signal == _METRICS:
            self.metrics.add(resource, scope, items)
        elif items:
            self._entries.setdefault(signal, []).append((resource, scope, items, count))
            self.size_bytes += len(items)

    def take(self, max_bytes: int = MAX_REQUEST_BYTES) -> list[Export]:
        """Everything, as requests of at most `max_bytes` each unless one frame alone is larger."""
        self._collect()
        exports = []
        for signal, entries in self._entries.items():
            start, size = 0, 0
            seen: set[tuple[bytes, bytes]] = set()
            for index, (resource, scope, items, _) in enumerate(entries):
                added = len(items)
                if (resource, scope) not in seen:
                    added += len(resource) + len(scope) + _ENVELOPE_BYTES
                if size + added > max_bytes and index > start:
                    exports.append(_export(signal, entries[start:index]))
                    start, size, seen = index, 0, set()
                    added = len(items) + len(resource) + len(scope) + _ENVELOPE_BYTES
                seen.add((resource, scope))
                size += added
            exports.append(_export(signal, entries[start:]))
        self.clear()
        return exports

    def _collect(self) -> None:
        if self._metrics:
            self._entries.setdefault(_METRICS, []).extend(self._metrics.collect())

    def clear(self) -> int:
        """Forget everything; the number of items that there were."""
        self._collect()
        forgotten = sum([entry[3] for entries in self._entries.values() for entry in entries])
        self._entries = {}
        self.size_bytes = 0
        return forgotten


def _export(signal: str, entries: Iterable[tuple[bytes, bytes, bytes, int]]) -> Export:
    grouped: dict[bytes, dict[bytes, list[bytes]]] = {}
    total = 0
    for resource, scope, items, count in entries:
        grouped.setdefault(resource, {}).setdefault(scope, []).append(items)
        total += count
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
    )
    return Export(signal, body, total)


def abandoned(span: bytes, end_unix_ns: int, error_type: str) -> bytes:
    """A tagged span from a START frame's unfinished one: end time and ``error.type`` appended.

    Fields of a message may come in any order, so appending completes it
    (https://protobuf.dev/programming-guides/encoding/#order).
    """
    attribute = field(b"\x0a", b"error.type") + field(b"\x12", field(b"\x0a", error_type.encode()))
    ended = span + b"\x41" + end_unix_ns.to_bytes(8, "little") + field(b"\x4a", attribute)
    return field(b"\x12", ended)
