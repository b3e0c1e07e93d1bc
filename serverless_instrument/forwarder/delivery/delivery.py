"""From batch to backend: what waits, what is on its way, what became of it."""

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
    """Hands what `batch` holds to the backend's thread, and keeps what does not arrive.

    Args:
        destinations: by signal; items of others are discarded.
        settings: bounds of what is kept.
        clock: seconds that go on over a freeze; see `FreezeClock`.
        wake: called, from the thread, when there is something to settle.
        report: says one line, given a subject and a message, but no second one of a subject before
            "" has been its message.
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
        # signal -> names of its destinations
        self._routes = {
            signal: [one.name for one in listed] for signal, listed in destinations.items()
        }
        self._clock = clock
        self._report = report
        self._queue = RetryQueue(settings.queue_bytes)
        self._overflow = Overflow(settings, self._destinations, self.counts, report)
        self._backend = ExportWorkers(destinations, wake)
        # What is on its way, one to each destination.
        self._out: dict[str, Export] = {}
        self._drain_until_s = 0.0
        self._reported_at_s = clock()
        self._reported_unix_ns = time_ns()

    def warm_up(self) -> None:
        """Load what the first export will need, and find what an earlier forwarder has left."""
        self._backend.warm_up()
        self._overflow.find_segments()

    @property
    def in_flight(self) -> int:
        """Exports that the backend's thread has not answered for."""
        return self._backend.in_flight

    def holds_next(self) -> bool:
        """Whether something is on its way that the end of an invocation should wait for."""
        return self._queue.holds_next()

    def retry_in_s(self) -> float:
        """Seconds until `retry` is to be called."""
        return self._queue.retry_at_s() - self._clock()

    def submit_batch(self) -> None:
        """Take what the batch holds, and hand over what may be tried."""
        if self._collect() and self._clock() - self._reported_at_s >= _REPORT_EVERY_S:
            self._report_oneself()
        self.send_due_exports()

    def _collect(self) -> bool:
        """Take over what the batch holds; whether that was anything."""
        exports = self.batch.take_exports()
        for reason, count in self.batch.take_lost_metrics().items():
            self.counts.add_count(delivery_counts.DROPPED, count, METRICS, reason)
        for export in exports:
            self.counts.add_count(delivery_counts.RECEIVED, export.count, export.signal)
            self._enqueue(export)
        return bool(exports)

    def _enqueue(self, export: Export) -> None:
        """One for each of its signal's destinations; the bytes are shared."""
        for route in self._routes.get(export.signal, ()):
            self._queue.add_export(Export(export.signal, export.body, export.count, route))

    def send_due_exports(self) -> None:
        """Hand over what waits and may be tried now."""
        self._overflow.restore_segment(self._queue)
        for export in self._queue.take_due_exports(self._clock()):
            destination = self._destinations[export.route]
            give_up_at_s = monotonic() + destination.timeout_ms / 1000
            if self._drain_until_s:
                give_up_at_s = min(give_up_at_s, self._drain_until_s)
            self._out[export.route] = export
            self._backend.submit_export(export, destination, give_up_at_s)
        self._overflow.spill_exports(self._queue)

    def stop_waiting(self, waited_s: float) -> None:
        """What is on its way has had its share of billed time: it goes on, and nobody waits."""
        self.record_wait(waited_s)
        self._queue.record_overrun()

    def record_wait(self, seconds: float) -> None:
        """The end of an invocation has waited so long."""
        self.counts.add_count(delivery_counts.FLUSH_S, float(seconds))

    def add_request(self, signal: str, body: bytes, count: int) -> None:
        """Put a whole request of the OTLP receiver in the batch; a large batch goes early."""
        self.batch.add_request(signal, body, count)
        if self.batch.size_bytes >= _EARLY_FLUSH_BYTES:
            self.submit_batch()

    def start_draining(self, until_s: float) -> None:
        """Hand over everything, backend in trouble or not, with until `until_s` (monotonic)."""
        self._drain_until_s = until_s
        self._queue.start_draining()
        # Merging metrics is when their losses show.
        if self._collect() or self._queue:
            self._report_oneself()
        self.send_due_exports()

    def may_try_again(self, after_s: float) -> bool:
        """Whether a drain has something to repeat, and time for it `after_s` from now."""
        at_s = monotonic() + max(after_s, self.retry_in_s())
        return bool(self._queue) and at_s < self._drain_until_s

    def settle_results(self) -> None:
        """Take note of what became of exports, and hand over what comes next."""
        for export, _, result in self._backend.take_results():
            self._out.pop(export.route, None)
            export.under_way = False
            if result.unanswered and result.kind != otlp_http.REJECTED:
                self._doubt(export)
            if result.kind == otlp_http.RETRY:
                self._keep(export, result)
            elif result.status == _TOO_LARGE:
                self._cut(export, result)
            elif result.kind == otlp_http.DELIVERED:
                self._queue.record_answer(export)
                self.counts.add_count(
                    delivery_counts.SENT, export.count - result.rejected, export.signal
                )
                self._answered(export, result.rejected, result.reason)
            else:
                self._queue.record_answer(export)
                self._answered(export, export.count, result.reason)
        self.send_due_exports()

    def _doubt(self, export: Export) -> None:
        """A whole request of it went unanswered; what is sent again may arrive twice."""
        self.counts.add_count(
            delivery_counts.UNANSWERED, export.count - export.doubtful, export.signal
        )
        export.doubtful = export.count

    def _answered(
        self, export: Export, rejected: int, reason: str, counted_as: str = delivery_counts.REFUSED
    ) -> None:
        """Count and report `rejected` items; without a reason, all is well."""
        self.counts.add_count(delivery_counts.DROPPED, rejected, export.signal, counted_as)
        self._report(f"{export.route} kept", "")
        if not export.count:
            return
        text = f"{rejected} {export.route} items were refused: {reason}" if reason else ""
        self._report(f"{export.route} refused", text)

    def _keep(self, export: Export, result: ExportResult) -> None:
        self.counts.add_count(delivery_counts.RETRIED, export.count, export.signal)
        self._queue.keep_failed(export, self._clock(), urandom(1)[0] / 255, result.retry_after_s)
        if export.count:  # our own figures are nobody's trouble
            self._report(
                f"{export.route} kept",
                f"the backend is out of reach, {export.route} are kept: {result.reason}",
            )

    def _cut(self, export: Export, result: ExportResult) -> None:
        from serverless_instrument.forwarder.delivery.request_splitting import split_in_two

        parts = split_in_two(export)
        self._queue.keep_parts(export, parts)
        if parts:
            self.counts.add_count(delivery_counts.RETRIED, export.count, export.signal)
        else:
            self._answered(export, export.count, result.reason, delivery_counts.TOO_LARGE)

    def _report_oneself(self) -> None:
        """Add our own figures to what is being sent anyway."""
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
        # No items of the function's: they are not counted.
        own.add_items(METRICS, self.batch.resource, self_report.scope(), items, 0)
        for export in own.take_exports():
            self._enqueue(export)

    def _count_dropped(self) -> None:
        """What was lost before it came here."""
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
        """Drop what has not been handed over: it may be what an internal error came from."""
        self.counts.add_count(
            delivery_counts.DROPPED, self.batch.clear(), "items", delivery_counts.INTERNAL_ERROR
        )

    def keep_undelivered(self) -> str:
        """Everything ends now: what has not arrived goes to disk; one line on it, "" if nothing."""
        self._collect()
        self._count_dropped()
        if self._overflow.enabled:
            # Whatever has come of these, the next forwarder sends them again.
            for export in self._out.values():
                if export.under_way:
                    self._doubt(export)
        self._overflow.keep_undelivered([*self._queue.take_all_exports(), *self._out.values()])
        return self.counts.describe_losses()
