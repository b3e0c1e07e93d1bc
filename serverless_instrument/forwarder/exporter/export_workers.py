"""Threads that post exports, so that no backend can block the event loop."""

from __future__ import annotations

import _thread
from _queue import SimpleQueue

from serverless_instrument.forwarder.destinations.destination import METRICS
from serverless_instrument.forwarder.exporter import otlp_http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.exporter.export import Export
    from serverless_instrument.forwarder.exporter.otlp_http import ExportResult

    Finished = tuple[Export, Destination, ExportResult]


class ExportWorkers:
    """A worker for each host, and a queue of results.

    A worker is a thread with one connection, so that a host that hangs blocks no other. Metrics
    have one of their own, so that the end of an invocation waits for at most one more round trip.
    `in_flight` exports have been submitted, and their results not been taken; an export to two
    destinations counts twice.

    Args:
        destinations: by signal.
        wake: called from a worker's thread after each result.
    """

    def __init__(
        self, destinations: dict[str, list[Destination]], wake: Callable[[], None]
    ) -> None:
        self._destinations = [d for listed in destinations.values() for d in listed]
        self._wake = wake
        self._results: SimpleQueue[Finished] = SimpleQueue()
        self._workers: dict[tuple[object, ...], _Worker] = {}
        self.in_flight = 0

    def warm_up(self) -> None:
        """Load what posting needs, while the runtime starts and the CPU is not throttled yet.

        Importing ssl and reading the root certificates takes longer than a flush may, and functions
        with little memory have only a part of a CPU after init.
        """
        for destination in self._destinations:
            worker = self._worker(destination)
            if worker.start():
                worker.jobs.put((None, destination, 0.0))

    def submit_export(self, export: Export, destination: Destination, give_up_at_s: float) -> None:
        """Have `export` posted, tried until `give_up_at_s` (monotonic)."""
        self.in_flight += 1
        worker = self._worker(destination)
        if worker.start():
            worker.jobs.put((export, destination, give_up_at_s))
        else:
            result = otlp_http.ExportResult(otlp_http.RETRY, "no thread can be started")
            self._put_result(export, destination, result)

    def take_results(self) -> list[Finished]:
        """Exports that have finished since the last call."""
        results = []
        while not self._results.empty():
            results.append(self._results.get())
        self.in_flight -= len(results)
        return results

    def _put_result(self, export: Export, destination: Destination, result: ExportResult) -> None:
        self._results.put((export, destination, result))
        self._wake()

    def _worker(self, destination: Destination) -> _Worker:
        key = (
            destination.secure,
            destination.host,
            destination.port,
            destination.certificate,
            destination.client_certificate,
            destination.client_key,
            destination.signal == METRICS,
        )
        worker = self._workers.get(key)
        if worker is None:
            worker = self._workers[key] = _Worker(destination, self._put_result)
        return worker


class _Worker:
    """The jobs for one host, (export, destination, give up at), and the thread that does them.

    A job without an export loads what posting to its destination needs.
    """

    def __init__(
        self,
        destination: Destination,
        put_result: Callable[[Export, Destination, ExportResult], None],
    ) -> None:
        from serverless_instrument.forwarder.exporter.otlp_exporter import (
            OtlpExporter,  # after the first /next
        )

        self.jobs: SimpleQueue[tuple[Export | None, Destination, float]] = SimpleQueue()
        self._exporter = OtlpExporter(destination)
        self._put_result = put_result
        self._started = False

    def start(self) -> bool:
        """Start the thread if it does not run; whether it runs."""
        if not self._started:
            try:
                _thread.start_new_thread(self._run, ())
            except RuntimeError:  # the environment has reached its limit of threads
                return False
            self._started = True
        return True

    def _run(self) -> None:
        while True:
            export, destination, give_up_at_s = self.jobs.get()
            if export is None:
                self._exporter.prepare_destination(destination)
            else:
                export.under_way = True
                result = self._exporter.post_export(destination, export, give_up_at_s)
                self._put_result(export, destination, result)
