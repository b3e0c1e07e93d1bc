"""Delivery of telemetry: batch, retry queue, spool and export workers, put together."""

from __future__ import annotations

from posix import urandom
from time import monotonic, time_ns

from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.delivery.overflow import Overflow
from serverless_instrument.forwarder.delivery.retry_queue import RetryQueue
from serverless_instrument.forwarder.destinations.destination import LOGS, METRICS
from serverless_instrument.forwarder.exporter import otlp_http
from serverless_instrument.forwarder.exporter.export import Export
from serverless_instrument.forwarder.exporter.export_workers import ExportWorkers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.flush_settings import FlushSettings
    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.exporter.otlp_http import ExportResult

# RFC 9110, section 15.5.14
_TOO_LARGE = 413
_REPORT_EVERY_S = 60.0
_EARLY_FLUSH_BYTES = 1024 * 1024


class Delivery:
    """Has the exports of `batch` posted, and keeps those that do not arrive.

    Args:
        destinations: by signal; items of other signals are discarded.
        settings: limits of queue and spool.
        clock: seconds that go on during a freeze; see `FreezeClock`.
        wake: called, from a worker's thread, when `settle_results` has something to do.
        report: prints a message about a subject, once until the message "" tells that the subject
            is well again.
    """

    def __init__(
        self,
        destinations: dict[str, list[Destination]],
        settings: FlushSettings,
        clock: Callable[[], float],
        wake: Callable[[], None],
        report: Callable[[str, str], None],
    ) -> None:
        self.batch = Batch()
        self.counts = delivery_counts.DeliveryCounts()
        self._destinations = {one.name: one for listed in destinations.values() for one in listed}
        # Signal: names of its destinations.
        self._routes = {
            signal: [one.name for one in listed] for signal, listed in destinations.items()
        }
        self._clock = clock
        self._report = report
        self._queue = RetryQueue(settings.queue_bytes)
        self._overflow = Overflow(settings, self._destinations, self.counts, report)
        self._workers = ExportWorkers(destinations, wake)
        # The export that is under way, by destination.
        self._out: dict[str, Export] = {}
        self._drain_until_s = 0.0
        self._reported_at_s = clock()
        self._reported_unix_ns = time_ns()

    def warm_up(self) -> None:
        """Load what the first export needs, and find what an earlier forwarder has left."""
        self._workers.warm_up()
        self._overflow.find_segments()

    @property
    def in_flight(self) -> int:
        """The number of exports whose results have not come."""
        return self._workers.in_flight

    def holds_next(self) -> bool:
        """Whether a request is under way that the end of an invocation waits for."""
        return self._queue.holds_next()

    def retry_in_s(self) -> float:
        """Seconds until `send_due_exports` is to be called."""
        return self._queue.retry_at_s() - self._clock()

    def submit_batch(self) -> None:
        """Flush: queue what the batch holds, and send what may be tried now."""
        if self._queue_batch() and self._clock() - self._reported_at_s >= _REPORT_EVERY_S:
            self._queue_own_metrics()
        self.send_due_exports()

    def _queue_batch(self) -> bool:
        """Move the exports of the batch to the queue; whether there were any."""
        exports = self.batch.take_exports()
        for reason, count in self.batch.take_lost_metrics().items():
            self.counts.add_count(delivery_counts.DROPPED, count, METRICS, reason)
        for export in exports:
            self.counts.add_count(delivery_counts.RECEIVED, export.count, export.signal)
            self._enqueue(export)
        return bool(exports)

    def _enqueue(self, export: Export) -> None:
        """Queue a copy for each destination of its signal; the bytes are shared."""
        for route in self._routes.get(export.signal, ()):
            self._queue.add_export(Export(export.signal, export.body, export.count, route))

    def send_due_exports(self) -> None:
        """Send what waits and may be tried now."""
        self._overflow.restore_segment(self._queue)
        for export in self._queue.take_due_exports(self._clock()):
            destination = self._destinations[export.route]
            give_up_at_s = monotonic() + destination.timeout_ms / 1000
            if self._drain_until_s:
                give_up_at_s = min(give_up_at_s, self._drain_until_s)
            self._out[export.route] = export
            self._workers.submit_export(export, destination, give_up_at_s)
        self._overflow.spill_exports(self._queue)

    def stop_waiting(self, waited_s: float) -> None:
        """Let requests that have used their share of billed time go on, without waiting."""
        self.record_wait(waited_s)
        self._queue.record_overrun()

    def go_on_without_waiting(self) -> None:
        """Let requests go on for which there is no time at all, which tells nothing of them."""
        self._queue.let_go()

    def record_wait(self, seconds: float) -> None:
        """Count the time that the end of an invocation has waited."""
        self.counts.add_count(delivery_counts.FLUSH_S, float(seconds))

    def add_request(self, signal: str, body: bytes, count: int) -> None:
        """Add a request of the OTLP receiver to the batch; flush a large batch."""
        self.batch.add_request(signal, body, count)
        if self.batch.size_bytes >= _EARLY_FLUSH_BYTES:
            self.submit_batch()

    def start_draining(self, until_s: float) -> None:
        """Send everything, to failing destinations too, until `until_s` (monotonic)."""
        self._drain_until_s = until_s
        self._queue.start_draining()
        # Queue first: losses of metrics are known only once these are merged.
        if self._queue_batch() or self._queue:
            self._queue_own_metrics()
        self.send_due_exports()

    def may_try_again(self, after_s: float) -> bool:
        """Whether something can be tried again `after_s` from now, before draining ends."""
        at_s = monotonic() + max(after_s, self.retry_in_s())
        return bool(self._queue) and at_s < self._drain_until_s

    def settle_results(self) -> None:
        """Handle the results of exports, and send what is due next."""
        for export, _, result in self._workers.take_results():
            self._out.pop(export.route, None)
            export.under_way = False
            if result.unanswered and result.kind != otlp_http.REJECTED:
                self._count_unanswered(export)
            if result.kind == otlp_http.RETRY:
                self._keep_failed(export, result)
            elif result.status == _TOO_LARGE:
                self._split_too_large(export, result)
            elif result.kind == otlp_http.DELIVERED:
                self._queue.record_answer(export)
                self.counts.add_count(
                    delivery_counts.SENT, export.count - result.rejected, export.signal
                )
                self._record_final(export, result.rejected, result.reason)
            else:
                self._queue.record_answer(export)
                self._record_final(export, export.count, result.reason)
        self.send_due_exports()

    def _count_unanswered(self, export: Export) -> None:
        """Count its items: a whole request got no response, and they may arrive twice."""
        self.counts.add_count(
            delivery_counts.UNANSWERED, export.count - export.doubtful, export.signal
        )
        export.doubtful = export.count

    def _record_final(
        self, export: Export, rejected: int, reason: str, counted_as: str = delivery_counts.REFUSED
    ) -> None:
        """Count and report `rejected` items; without a `reason` all is well."""
        self.counts.add_count(delivery_counts.DROPPED, rejected, export.signal, counted_as)
        self._report(f"{export.route} kept", "")
        if not export.count:
            return
        text = f"{rejected} {export.route} items were refused: {reason}" if reason else ""
        self._report(f"{export.route} refused", text)

    def _keep_failed(self, export: Export, result: ExportResult) -> None:
        self.counts.add_count(delivery_counts.RETRIED, export.count, export.signal)
        self._queue.keep_failed(export, self._clock(), urandom(1)[0] / 255, result.retry_after_s)
        if export.count:  # a failure to send only our own metrics is not reported
            self._report(
                f"{export.route} kept",
                f"the backend is out of reach, {export.route} are kept: {result.reason}",
            )

    def _split_too_large(self, export: Export, result: ExportResult) -> None:
        from serverless_instrument.forwarder.delivery.request_splitting import split_in_two

        parts = split_in_two(export)
        self._queue.keep_parts(export, parts)
        if parts:
            self.counts.add_count(delivery_counts.RETRIED, export.count, export.signal)
        else:
            self._record_final(export, export.count, result.reason, delivery_counts.TOO_LARGE)

    def _queue_own_metrics(self) -> None:
        """Queue the forwarder's own metrics, beside data that is sent anyway."""
        if METRICS not in self._routes:
            return
        from serverless_instrument.forwarder.delivery import self_report

        self._reported_at_s = self._clock()
        self.counts.add_count(delivery_counts.FRAMES, self.batch.frames)
        self.batch.frames = 0
        self._count_dropped()
        since_unix_ns, self._reported_unix_ns = self._reported_unix_ns, time_ns()
        items = self_report.encode_metrics(
            self.counts.take_unreported(),
            self._queue.size_bytes + self._overflow.size_bytes,
            since_unix_ns,
            self._reported_unix_ns,
        )
        own = Batch(merge_metrics=False)
        # The count is 0, as they are no items of the function.
        own.add_items(METRICS, self.batch.resource, self_report.scope(), items, 0)
        for export in own.take_exports():
            self._enqueue(export)

    def _count_dropped(self) -> None:
        """Count what was lost before it came to the batch."""
        batch = self.batch
        self.counts.add_count(
            delivery_counts.DROPPED, batch.dropped_frames, "frames", delivery_counts.SLOW_FORWARDER
        )
        self.counts.add_count(
            delivery_counts.DROPPED, batch.dropped_lines, LOGS, delivery_counts.PLATFORM
        )
        self.counts.add_count(
            delivery_counts.DROPPED,
            batch.dropped_measurements,
            METRICS,
            delivery_counts.TOO_MANY_VALUES,
        )
        batch.dropped_frames = batch.dropped_lines = batch.dropped_measurements = 0

    def discard_batch(self) -> None:
        """Drop what the batch holds: it may have caused an internal error."""
        self.counts.add_count(
            delivery_counts.DROPPED, self.batch.clear(), "items", delivery_counts.INTERNAL_ERROR
        )

    def keep_undelivered(self) -> str:
        """At the end, write what has not arrived to the spool; one line on losses, "" if none."""
        self._queue_batch()
        self._count_dropped()
        if self._overflow.enabled:
            # Their results are unknown, and the next forwarder sends them again.
            for export in self._out.values():
                if export.under_way:
                    self._count_unanswered(export)
        self._overflow.keep_undelivered([*self._queue.take_all_exports(), *self._out.values()])
        return self.counts.describe_losses()
