"""Sends exports from a thread of its own, so that no backend can hold up the event loop."""

from __future__ import annotations

import _socket
import _thread
from _queue import SimpleQueue
from time import monotonic, time

from serverless_instrument.forwarder import otlp_http
from serverless_instrument.forwarder.http1 import BadResponseError, ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from serverless_instrument.forwarder.batch import Export
    from serverless_instrument.forwarder.otlp_http import Verdict
    from serverless_instrument.forwarder.settings import Destination

    Result = tuple[Export, Verdict]

# A peer, or a box between, forgets idle connections without a word while we are frozen. Wall-clock
# time, as it goes on over a freeze.
_REUSE_WITHIN_S = 30.0


class Backend:
    """A queue of exports, a thread that posts them, a queue of results.

    Args:
        destinations: by signal.
        wake: called, from the thread, after each result has been put.
    """

    def __init__(self, destinations: dict[str, Destination], wake: Callable[[], None]) -> None:
        self._destinations = destinations
        self._wake = wake
        self._jobs: SimpleQueue[tuple[Export, float]] = SimpleQueue()
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._links: dict[tuple[bool, str, int, str], _Link] = {}
        self._started = False
        self.in_flight = 0

    def submit(self, export: Export, give_up_at_s: float) -> None:
        """Post `export`, trying no longer than until `give_up_at_s` (monotonic)."""
        if not self._started:
            self._started = True
            _thread.start_new_thread(self._work, ())
        self.in_flight += 1
        self._jobs.put((export, give_up_at_s))

    def results(self) -> list[Result]:
        """What has become of exports since the last call."""
        results = []
        while not self._results.empty():
            results.append(self._results.get())
        self.in_flight -= len(results)
        return results

    def _work(self) -> None:
        while True:
            export, give_up_at_s = self._jobs.get()
            try:
                outcome = self._post(export, give_up_at_s)
            except (OSError, BadResponseError) as error:
                outcome = otlp_http.Verdict(otlp_http.RETRY, _reason(error))
            except Exception as error:  # a defect of ours must not end the thread
                outcome = otlp_http.Verdict(otlp_http.REJECTED, f"{type(error).__name__}: {error}")
            self._results.put((export, outcome))
            self._wake()

    def _post(self, export: Export, give_up_at_s: float) -> Verdict:
        destination = self._destinations[export.signal]
        request = otlp_http.request(destination, export)
        key = (destination.secure, destination.host, destination.port, destination.certificate)
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = _Link(destination)
        give_up_at_s = min(give_up_at_s, monotonic() + destination.timeout_ms / 1000)
        response = link.exchange(request, give_up_at_s)
        return otlp_http.verdict(response.status, response.headers, bytes(response.body))


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or "no answer in time"
    return f"{type(error).__name__}: {text}"


class _StaleError(Exception):
    """A kept connection had been closed before it could carry anything."""


class _Link:
    """One kept connection to one host."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._connection: _socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self._used_at_s = 0.0

    def exchange(self, request: bytes, give_up_at_s: float) -> ResponseParser:
        """Send one request and read its response.

        A kept connection that turns out dead before a byte came back is replaced once.

        Raises:
            OSError, BadResponseError: no usable answer.
        """
        if self._connection is not None and not self._reusable():
            self._close()
        kept = self._connection is not None
        try:
            try:
                return self._once(request, give_up_at_s, kept=kept)
            except _StaleError:
                self._close()
                return self._once(request, give_up_at_s, kept=False)
        except BaseException:
            self._close()
            raise

    def _reusable(self) -> bool:
        """Whether the connection was used lately and the peer has neither closed it nor spoken."""
        if self._connection is None or not 0 <= time() - self._used_at_s < _REUSE_WITHIN_S:
            return False
        from select import POLLIN, poll

        poller = poll()
        poller.register(self._connection.fileno(), POLLIN)
        return not poller.poll(0)

    def _once(self, request: bytes, give_up_at_s: float, *, kept: bool) -> ResponseParser:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(give_up_at_s)
        parser = ResponseParser()
        try:
            connection.settimeout(_left_s(give_up_at_s))
            connection.sendall(request)
            while not parser.complete:
                connection.settimeout(_left_s(give_up_at_s))
                data = connection.recv(65536)
                if data:
                    parser.feed(data)
                    continue
                if kept and not parser.started:
                    raise _StaleError
                parser.end_of_stream()
        except (ConnectionError, BrokenPipeError):
            if kept and not parser.started:
                raise _StaleError from None
            raise
        self._used_at_s = time()
        if not parser.keep_alive:
            self._close()
        return parser

    def _connect(self, give_up_at_s: float) -> _socket.socket:
        destination = self._destination
        error: OSError = OSError(f"no address for {destination.host}")
        for family, kind, protocol, _, address in _socket.getaddrinfo(
            destination.host, destination.port, 0, _socket.SOCK_STREAM
        ):
            connection = _socket.socket(family, kind, protocol)
            try:
                connection.settimeout(_left_s(give_up_at_s))
                connection.connect(address)
                connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                return self._secured(connection) if destination.secure else connection
            except OSError as failure:
                connection.close()
                error = failure
        raise error

    def _secured(self, connection: _socket.socket) -> _socket.socket:
        import ssl

        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._destination.certificate or None)
        wrapped: object = self._context.wrap_socket(
            connection,  # type: ignore[arg-type] # SSLSocket needs only what _socket has
            server_hostname=self._destination.host,
        )
        secured: _socket.socket = wrapped  # type: ignore[assignment] # a subclass at run time
        return secured

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _left_s(give_up_at_s: float) -> float:
    left_s = give_up_at_s - monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s
