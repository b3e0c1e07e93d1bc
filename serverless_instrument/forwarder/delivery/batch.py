"""Telemetry that waits for a flush, joined into export requests; pure.

Protobuf messages concatenate, so that what the runtime encoded is only wrapped here and not parsed.
Metrics are the exception: they are merged, so that a flush sends one point for many invocations.
"""

from __future__ import annotations

from serverless_instrument.forwarder.destinations.destination import METRICS
from serverless_instrument.forwarder.exporter.export import Export
from serverless_instrument.wire import field, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

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
    """Items by signal, resource and scope, in the order in which they came; metrics are merged.

    `resource` is that of the latest items. `frames` counts the frames that runtimes have sent,
    `dropped_frames` and `dropped_measurements` what runtimes report that they had no room for,
    `dropped_lines` what the platform reports as lost. `size_bytes` does not include metrics, whose
    number of points is bounded.

    Lines are kept as they came until they are taken out: `read_unread`, which whoever adds them
    sets, makes items of them.

    Args:
        max_bytes: of a request, unless one frame alone is larger.
        merge_metrics: False to send metrics on as they come.
    """

    __slots__ = (
        "_max_bytes",
        "_merge_metrics",
        "_metrics",
        "_open",
        "_run_bytes",
        "_runs",
        "_unread",
        "_unread_bytes",
        "dropped_frames",
        "dropped_lines",
        "dropped_measurements",
        "frames",
        "read_unread",
        "resource",
        "size_bytes",
    )

    def __init__(self, max_bytes: int = MAX_REQUEST_BYTES, *, merge_metrics: bool = True) -> None:
        self._max_bytes = max_bytes
        # Small frames are joined as they come: as objects they take several times their bytes. Runs
        # are short, so that requests can be cut between them.
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
        self._unread: list[Any] = []
        self._unread_bytes = 0
        self.read_unread: Callable[[Any], None] | None = None

    def __bool__(self) -> bool:
        return bool(self._runs or self._metrics or self._unread)

    @property
    def metrics(self) -> Aggregation:
        """The metrics that wait; the code for them is loaded at the first call."""
        if self._metrics is None:
            from serverless_instrument.forwarder.metrics.metric_aggregation import Aggregation

            self._metrics = Aggregation()
        return self._metrics

    def add_items(
        self, signal: str, resource: bytes, scope: bytes, items: bytes, count: int
    ) -> None:
        """Add `count` tagged items of one resource and scope, as `wire.unpack_batch` gives them."""
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
            # Later items must not overtake it.
            self._open.pop(key, None)
        self._runs.setdefault(signal, []).append(run)

    def add_request(self, signal: str, body: bytes, count: int) -> None:
        """Add an encoded ``Export{Trace,Logs,Metrics}ServiceRequest`` of `count` items.

        Its only field is repeated, so that it can be joined with others as it is.
        """
        if body:
            self._runs.setdefault(signal, []).append(_Run(None, b"", body, count))
            self.size_bytes += len(body)

    def add_unread(self, entry: object, size_bytes: int) -> None:
        """Add `entry` for `read_unread` to read when it is taken out."""
        self._unread.append(entry)
        self._unread_bytes += size_bytes + _ENVELOPE_BYTES
        self.size_bytes += size_bytes + _ENVELOPE_BYTES

    def _read_all(self) -> None:
        unread, self._unread = self._unread, []
        self.size_bytes -= self._unread_bytes
        self._unread_bytes = 0
        if self.read_unread is not None:
            for entry in unread:
                self.read_unread(entry)

    def take_lost_metrics(self) -> dict[str, int]:
        """By reason, how many metrics were lost in merging since the last call."""
        return {} if self._metrics is None else self._metrics.take_dropped()

    def take_exports(self) -> list[Export]:
        """Take everything out, as requests."""
        if self._unread:
            self._read_all()
        self._collect_metrics()
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

    def _collect_metrics(self) -> None:
        # There may be metrics without a data point.
        if self._metrics and (collected := self._metrics.collect_metrics()):
            self._runs.setdefault(METRICS, []).extend([_Run(*each) for each in collected])

    def clear(self) -> int:
        """Discard everything; the number of items that it was."""
        forgotten = sum([run.count for runs in self._runs.values() for run in runs])
        if self._metrics is not None:
            # They are not merged first: merging may be what failed.
            forgotten += self._metrics.clear()
        forgotten += len(self._unread)
        self._unread = []
        self._unread_bytes = 0
        self._runs = {}
        self._open = {}
        self.size_bytes = 0
        return forgotten


def _export(signal: str, runs: Iterable[_Run]) -> Export:
    """One request of `runs`; joined in one step, as each copy takes memory."""
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
