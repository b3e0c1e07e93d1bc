"""Telemetry waiting for a flush, joined into export requests; pure.

Protobuf messages concatenate, so what the runtime encoded is only wrapped here, never parsed; but
metrics, of which a flush sends one point where many invocations measured.
"""

from __future__ import annotations

from serverless_instrument.forwarder.destinations.destination import METRICS
from serverless_instrument.forwarder.exporter.export import Export
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from serverless_instrument.forwarder.metrics.metric_aggregation import Aggregation

# OTLP receivers commonly refuse more than 4 MB; headers of resource and scope come on top.
MAX_REQUEST_BYTES = 4_000_000
_ENVELOPE_BYTES = 64
_RUNS_PER_REQUEST = 64


class _Run:
    """Tagged items of one resource and scope; without a resource, a whole request."""

    __slots__ = ("count", "items", "resource", "scope")

    def __init__(
        self, resource: bytes | None, scope: bytes, items: bytes | bytearray, count: int
    ) -> None:
        self.resource = resource
        self.scope = scope
        self.items = items
        self.count = count


class Batch:
    """Items by signal, resource and scope, of each in the order in which they came; metrics merged.

    `resource` is that of the latest; `frames` counts what runtimes have sent, `dropped_frames` and
    `dropped_measurements` what they say that they had no room for, `dropped_lines` what the
    platform says it lost. `size_bytes` leaves metrics out, whose number of points is bounded.

    Args:
        max_bytes: of a request, unless one frame alone is larger.
        merge_metrics: False where metrics are to go on as they come.
    """

    __slots__ = (
        "_max_bytes",
        "_merge_metrics",
        "_metrics",
        "_open",
        "_run_bytes",
        "_runs",
        "dropped_frames",
        "dropped_lines",
        "dropped_measurements",
        "frames",
        "resource",
        "size_bytes",
    )

    def __init__(self, max_bytes: int = MAX_REQUEST_BYTES, *, merge_metrics: bool = True) -> None:
        self._max_bytes = max_bytes
        # A span or a line is a frame of its own, and as an object larger than its bytes: small ones
        # are joined as they come, in runs short enough for a request to be split between them.
        self._run_bytes = max_bytes // _RUNS_PER_REQUEST
        self._runs: dict[str, list[_Run]] = {}
        self._open: dict[tuple[str, bytes, bytes], _Run] = {}
        self.size_bytes = 0
        self.resource = b""
        self.frames = 0
        self.dropped_frames = 0
        self.dropped_lines = 0
        self.dropped_measurements = 0
        self._metrics: Aggregation | None = None
        self._merge_metrics = merge_metrics

    def __bool__(self) -> bool:
        return bool(self._runs or self._metrics)

    @property
    def metrics(self) -> Aggregation:
        """What waits of metrics; its code is loaded with the first who asks."""
        if self._metrics is None:
            from serverless_instrument.forwarder.metrics.metric_aggregation import Aggregation

            self._metrics = Aggregation()
        return self._metrics

    def add_items(
        self, signal: str, resource: bytes, scope: bytes, items: bytes, count: int
    ) -> None:
        """Take `count` tagged items of one resource and scope, as in `wire.unpack_batch`."""
        if not items:
            return
        self.resource = resource
        if signal == METRICS and self._merge_metrics:
            self.metrics.add_items(resource, scope, items)
            return
        self.size_bytes += len(items)
        key = (signal, resource, scope)
        run = self._open.get(key)
        if run is not None and len(run.items) + len(items) <= self._run_bytes:
            run.items += items
            run.count += count
            return
        run = _Run(resource, scope, items, count)
        if len(items) < self._run_bytes:
            run.items = bytearray(items)
            self._open[key] = run
        else:
            # What comes after it may not overtake it.
            self._open.pop(key, None)
        self._runs.setdefault(signal, []).append(run)

    def add_request(self, signal: str, body: bytes, count: int) -> None:
        """Take an encoded ``Export{Trace,Logs,Metrics}ServiceRequest`` of `count` items.

        Its fields are repeated ones, so it is joined with others as it is.
        """
        if body:
            self._runs.setdefault(signal, []).append(_Run(None, b"", body, count))
            self.size_bytes += len(body)

    def take_lost_metrics(self) -> dict[str, int]:
        """By reason, what was lost in merging since the last call."""
        return {} if self._metrics is None else self._metrics.take_dropped()

    def take_exports(self) -> list[Export]:
        """Everything, as requests."""
        self._collect()
        exports = []
        for signal, runs in self._runs.items():
            start, size = 0, 0
            seen: set[tuple[bytes | None, bytes]] = set()
            for index, run in enumerate(runs):
                added = len(run.items)
                wrapping = len(run.resource or b"") + len(run.scope) + _ENVELOPE_BYTES
                origin = (run.resource, run.scope)
                if origin not in seen:
                    added += wrapping
                if size + added > self._max_bytes and index > start:
                    exports.append(_export(signal, runs[start:index]))
                    start, size, seen = index, 0, set()
                    added = len(run.items) + wrapping
                seen.add(origin)
                size += added
            exports.append(_export(signal, runs[start:]))
        self.clear()
        return exports

    def _collect(self) -> None:
        # What there is may turn out to be no data point yet.
        if self._metrics and (collected := self._metrics.collect_metrics()):
            self._runs.setdefault(METRICS, []).extend([_Run(*each) for each in collected])

    def clear(self) -> int:
        """Forget everything; the number of items that there were."""
        forgotten = sum([run.count for runs in self._runs.values() for run in runs])
        if self._metrics is not None:
            # Not merged: that may be what went wrong.
            forgotten += self._metrics.clear()
        self._runs = {}
        self._open = {}
        self.size_bytes = 0
        return forgotten


def _export(signal: str, runs: Iterable[_Run]) -> Export:
    """One request of `runs`, joined once: what is joined in steps is in memory several times."""
    grouped: dict[bytes, dict[bytes, list[bytes | bytearray]]] = {}
    whole: list[bytes | bytearray] = []
    total = 0
    for run in runs:
        total += run.count
        if run.resource is None:
            whole.append(run.items)
        else:
            grouped.setdefault(run.resource, {}).setdefault(run.scope, []).append(run.items)
    parts: list[bytes | bytearray] = []
    for resource, scopes in grouped.items():
        tagged = field(b"\x0a", resource)
        size = len(tagged)
        inner: list[bytes | bytearray] = [tagged]
        for scope, items in scopes.items():
            scope_bytes = len(scope) + sum(map(len, items))
            head = b"\x12" + varint(scope_bytes)
            size += len(head) + scope_bytes
            inner += [head, scope, *items]
        parts += [b"\x0a", varint(size), *inner]
    return Export(signal, b"".join(parts + whole), total)
