"""Sends exports from a thread of its own, so that no backend can hold up the event loop."""

from __future__ import annotations

import _thread
from _queue import SimpleQueue
from time import monotonic

from serverless_instrument.forwarder import otlp_http
from serverless_instrument.forwarder.http1 import BadResponseError
from serverless_instrument.forwarder.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.batch import Export
    from serverless_instrument.forwarder.otlp_http import Verdict
    from serverless_instrument.forwarder.settings import Destination

    Result = tuple[Export, Verdict]

# With less, an answer would most likely come too late, and what was taken be sent again.
_LEAST_TRY_S = 0.1


class Backend:
    """A queue of exports, a thread that posts them, a queue of results.

    `in_flight` exports, of `in_flight_bytes` and `in_flight_items`, have been submitted and are not
    among the results yet.

    Args:
        destinations: by signal.
        wake: called, from the thread, after each result has been put.
    """

    def __init__(self, destinations: dict[str, Destination], wake: Callable[[], None]) -> None:
        self._destinations = destinations
        self._wake = wake
        self._jobs: SimpleQueue[tuple[Export, float] | None] = SimpleQueue()
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._links: dict[tuple[object, ...], Link] = {}
        self._started = False
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.in_flight_items = 0

    def warm_up(self) -> None:
        """Load what posting needs, while the runtime starts and its CPU is not throttled yet.

        The first import of ssl and the reading of the root certificates take longer than a flush
        may, and functions with little memory get only a part of a CPU after init.
        """
        if self._destinations and self._running():
            self._jobs.put(None)

    def submit(self, export: Export, give_up_at_s: float) -> None:
        """Post `export`, trying no longer than until `give_up_at_s` (monotonic)."""
        self.in_flight += 1
        self.in_flight_bytes += len(export.body)
        self.in_flight_items += export.count
        if self._running():
            self._jobs.put((export, give_up_at_s))
        else:
            verdict = otlp_http.Verdict(otlp_http.RETRY, "no thread can be started")
            self._results.put((export, verdict))
            self._wake()

    def _running(self) -> bool:
        if not self._started:
            try:
                _thread.start_new_thread(self._work, ())
            except RuntimeError:  # the environment's limit of processes and threads is reached
                return False
            self._started = True
        return True

    def results(self) -> list[Result]:
        """What has become of exports since the last call."""
        results = []
        while not self._results.empty():
            export, verdict = self._results.get()
            self.in_flight -= 1
            self.in_flight_bytes -= len(export.body)
            self.in_flight_items -= export.count
            results.append((export, verdict))
        return results

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                self._prepare()
                continue
            export, give_up_at_s = job
            try:
                outcome = self._post(export, give_up_at_s)
            except (OSError, BadResponseError) as error:
                outcome = otlp_http.Verdict(otlp_http.RETRY, _reason(error))
            except Exception as error:  # a defect of ours must not end the thread
                outcome = otlp_http.Verdict(otlp_http.REJECTED, f"{type(error).__name__}: {error}")
            self._results.put((export, outcome))
            self._wake()

    def _prepare(self) -> None:
        for destination in self._destinations.values():
            try:
                otlp_http.prepare(destination)
                self._link(destination).prepare()
            except Exception:  # posting runs into it again, and says so
                continue

    def _post(self, export: Export, give_up_at_s: float) -> Verdict:
        destination = self._destinations[export.signal]
        if give_up_at_s - monotonic() < _LEAST_TRY_S:
            raise TimeoutError("no time left to try")
        request = otlp_http.request(destination, export)
        response = self._link(destination).exchange(request, give_up_at_s)
        return otlp_http.verdict(response.status, response.headers, bytes(response.body))

    def _link(self, destination: Destination) -> Link:
        key = (
            destination.secure,
            destination.host,
            destination.port,
            destination.certificate,
            destination.client_certificate,
            destination.client_key,
        )
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = Link(destination)
        return link


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or "no answer in time"
    return f"{type(error).__name__}: {text}"
