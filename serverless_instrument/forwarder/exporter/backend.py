"""Sends exports from threads of their own, so that no backend can hold up the event loop."""

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
    from serverless_instrument.forwarder.exporter.otlp_http import Verdict

    Result = tuple[Export, Destination, Verdict]


class Backend:
    """Lanes of exports and a queue of results.

    A lane is one host's, a thread with one connection: a host that hangs holds up no other. Metrics
    have one of their own, so that the end of an invocation waits for one round trip more at most.
    `in_flight` exports have been submitted and are not among the results yet; one that goes to two
    destinations counts twice.

    Args:
        destinations: by signal.
        wake: called, from a thread, after each result has been put.
    """

    def __init__(
        self, destinations: dict[str, list[Destination]], wake: Callable[[], None]
    ) -> None:
        self._destinations = [d for listed in destinations.values() for d in listed]
        self._wake = wake
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._lanes: dict[tuple[object, ...], _Lane] = {}
        self.in_flight = 0

    def warm_up(self) -> None:
        """Load what posting needs, while the runtime starts and its CPU is not throttled yet.

        The first import of ssl and the reading of the root certificates take longer than a flush
        may, and functions with little memory get only a part of a CPU after init.
        """
        for destination in self._destinations:
            lane = self._lane(destination)
            if lane.running():
                lane.jobs.put((None, destination, 0.0))

    def submit_export(self, export: Export, destination: Destination, give_up_at_s: float) -> None:
        """Post `export`, trying no longer than until `give_up_at_s` (monotonic)."""
        self.in_flight += 1
        lane = self._lane(destination)
        if lane.running():
            lane.jobs.put((export, destination, give_up_at_s))
        else:
            verdict = otlp_http.Verdict(otlp_http.RETRY, "no thread can be started")
            self._done(export, destination, verdict)

    def take_results(self) -> list[Result]:
        """What has become of exports since the last call."""
        results = []
        while not self._results.empty():
            results.append(self._results.get())
        self.in_flight -= len(results)
        return results

    def _done(self, export: Export, destination: Destination, verdict: Verdict) -> None:
        self._results.put((export, destination, verdict))
        self._wake()

    def _lane(self, destination: Destination) -> _Lane:
        key = (
            destination.secure,
            destination.host,
            destination.port,
            destination.certificate,
            destination.client_certificate,
            destination.client_key,
            destination.signal == METRICS,
        )
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(destination, self._done)
        return lane


class _Lane:
    """One host's jobs, (export, destination, give up at), and the thread that does them.

    A job without an export is to load what posting to its destination will need.
    """

    def __init__(
        self, destination: Destination, done: Callable[[Export, Destination, Verdict], None]
    ) -> None:
        from serverless_instrument.forwarder.exporter.otlp_exporter import (
            Poster,  # after the first /next
        )

        self.jobs: SimpleQueue[tuple[Export | None, Destination, float]] = SimpleQueue()
        self._poster = Poster(destination)
        self._done = done
        self._started = False

    def running(self) -> bool:
        """Whether the thread runs; it is started if need be and possible."""
        if not self._started:
            try:
                _thread.start_new_thread(self._work, ())
            except RuntimeError:  # the environment's limit of processes and threads is reached
                return False
            self._started = True
        return True

    def _work(self) -> None:
        while True:
            export, destination, give_up_at_s = self.jobs.get()
            if export is None:
                self._poster.prepare_destination(destination)
            else:
                export.under_way = True
                verdict = self._poster.post_export(destination, export, give_up_at_s)
                self._done(export, destination, verdict)
