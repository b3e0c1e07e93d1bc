"""Exports that the queue has no room for: written to the spool, read back, or counted as lost."""

from __future__ import annotations

import posix

from serverless_instrument.forwarder.delivery import delivery_counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from serverless_instrument.forwarder.delivery.delivery_counts import DeliveryCounts
    from serverless_instrument.forwarder.delivery.flush_settings import FlushSettings
    from serverless_instrument.forwarder.delivery.retry_queue import RetryQueue
    from serverless_instrument.forwarder.delivery.spool import Spool
    from serverless_instrument.forwarder.exporter.export import Export

_KEPT = "kept in /tmp in case of a restart"


class Overflow:
    """Owner of the spool, which is loaded when there is something to write or to read.

    `routes` are the names of the destinations; for `report` see `Delivery`.
    """

    def __init__(
        self,
        settings: FlushSettings,
        routes: Container[str],
        counts: DeliveryCounts,
        report: Callable[[str, str], None],
    ) -> None:
        self._routes = routes
        self._directory = settings.spool_directory
        self._limit_bytes = settings.spool_bytes
        self._counts = counts
        self._report = report
        self._spool: Spool | None = None
        self._skipped = 0

    @property
    def enabled(self) -> bool:
        """Whether anything may be kept on disk."""
        return bool(self._limit_bytes)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return 0 if self._spool is None else self._spool.size_bytes

    def _load_spool(self) -> Spool:
        if self._spool is None:
            from serverless_instrument.forwarder.delivery.spool import Spool

            self._spool = Spool(self._directory, self._limit_bytes)
        return self._spool

    def find_segments(self) -> None:
        """Find the segments that an earlier forwarder of this environment has left."""
        if not self._limit_bytes:
            return
        try:
            posix.lstat(self._directory)
        except OSError:
            return
        self._load_spool().find_segments()
        self._count_skipped()

    def restore_segment(self, queue: RetryQueue) -> None:
        """Move the oldest segment to `queue` if there is room and its destinations are healthy."""
        spool = self._spool
        if spool and queue.has_room and queue.is_healthy(spool.oldest_signal()):
            for export in spool.take_oldest_exports():
                if export.route in self._routes:
                    queue.add_export(export)
                else:
                    self._drop(export, delivery_counts.NO_DESTINATION)
            self._count_skipped()

    def spill_exports(self, queue: RetryQueue) -> None:
        """Take the exports that `queue` has no room for."""
        if queue.spilled:
            spilled, queue.spilled = queue.spilled, []
            self._write(spilled)

    def keep_undelivered(self, exports: list[Export]) -> None:
        """Keep `exports` at the end, and count what is on disk then as not delivered."""
        worth = [export for export in exports if export.count]
        if worth:
            self._write(worth)
        if self._spool is not None:
            for signal, count in self._spool.item_counts().items():
                self._counts.add_count(delivery_counts.DROPPED, count, signal, _KEPT)

    def _drop(self, export: Export, reason: str) -> None:
        self._counts.add_count(delivery_counts.DROPPED, export.count, export.signal, reason)

    def _write(self, exports: list[Export]) -> None:
        if not self._limit_bytes:
            for export in exports:
                self._drop(export, delivery_counts.NO_ROOM)
            return
        spool = self._load_spool()
        spool.write_exports(exports)
        for signal, count in spool.lost.items():
            self._counts.add_count(delivery_counts.DROPPED, count, signal, delivery_counts.NO_ROOM)
        spool.lost = {}
        self._report("spool", spool.problem and f"cannot keep telemetry in /tmp: {spool.problem}")

    def _count_skipped(self) -> None:
        spool = self._load_spool()
        new, self._skipped = spool.skipped - self._skipped, spool.skipped
        self._counts.add_count(delivery_counts.DROPPED, new, "files", delivery_counts.DAMAGED)
