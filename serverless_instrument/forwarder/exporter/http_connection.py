"""One persistent HTTP/1.1 connection to one host; blocking, for the threads of the workers."""

from __future__ import annotations

import _socket
import _thread
from time import monotonic, time

from serverless_instrument.forwarder.exporter.freeze_aware_timeout import FreezeAwareTimeout
from serverless_instrument.forwarder.http1 import BadResponseError, ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from serverless_instrument.forwarder.destinations.destination import Destination

# Peers, and gateways on the way, drop idle connections silently while the environment is frozen.
# Measured by the wall clock, which goes on during a freeze.
_REUSE_WITHIN_S = 30.0
_READ_BYTES = 65536
# By certificate files and key: a set of roots takes 20 ms and a megabyte.
_contexts: dict[tuple[str, str, str], ssl.SSLContext] = {}
_making_context = _thread.allocate_lock()


class _StaleError(Exception):
    """The peer had closed a kept connection before the request."""


class HttpConnection:
    """Sends requests and reads responses, over one connection as long as it lasts.

    `unanswered` is True after an exchange whose whole request was sent and got no response: the
    peer may have processed it, so that a repetition would arrive twice.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._connection: _socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self._used_at_s = 0.0
        self.unanswered = False

    def prepare(self) -> None:
        """Load what a connection needs. Raises OSError where a certificate file cannot be used."""
        if self._destination.secure:
            self._trust()

    def exchange(self, request: bytes, give_up_at_s: float) -> ResponseParser:
        """Send one request and read its response, until `give_up_at_s` (monotonic).

        A kept connection that fails before the first byte of a response is replaced once.

        Raises:
            OSError, BadResponseError: no usable response.
        """
        self.unanswered = False
        if self._connection is not None and not self._reusable():
            self.close()
        kept = self._connection is not None
        try:
            try:
                return self._once(request, give_up_at_s, kept=kept)
            except _StaleError:
                self.close()
                return self._once(request, give_up_at_s, kept=False)
        except BaseException:
            self.close()
            raise

    def _reusable(self) -> bool:
        """Whether it was used lately, and the peer has neither closed it nor sent anything."""
        if self._connection is None or not 0 <= time() - self._used_at_s < _REUSE_WITHIN_S:
            return False
        from select import POLLIN, poll

        poller = poll()
        poller.register(self._connection.fileno(), POLLIN)
        return not poller.poll(0)

    def _once(self, request: bytes, give_up_at_s: float, *, kept: bool) -> ResponseParser:
        if self._connection is None:
            self._connection = self._connect(give_up_at_s)
        parser = ResponseParser()
        try:
            self._converse(self._connection, request, parser, give_up_at_s)
        except TimeoutError:
            raise
        except OSError:
            if kept and not parser.started:
                raise _StaleError from None
            raise
        self._used_at_s = time()
        if not parser.keep_alive:
            self.close()
        return parser

    def _converse(
        self,
        connection: _socket.socket,
        request: bytes,
        parser: ResponseParser,
        give_up_at_s: float,
    ) -> None:
        connection.settimeout(_left_s(give_up_at_s))
        failure: OSError | None = None
        try:
            connection.sendall(request)
        except ConnectionError as error:
            # A peer may refuse a large body early, respond, and close: the response counts.
            failure = error
        timeout = FreezeAwareTimeout(give_up_at_s, monotonic())
        try:
            while not parser.complete:
                connection.settimeout(timeout.wait_s(monotonic()))
                try:
                    data = connection.recv(_READ_BYTES)
                except TimeoutError:
                    continue  # `timeout` raises unless the process was frozen meanwhile
                if data:
                    parser.receive_data(data)
                elif parser.started:
                    parser.end_of_stream()
                else:
                    raise ConnectionResetError("closed without an answer")
        except (OSError, BadResponseError) as error:
            if not parser.status_known:
                self.unanswered = failure is None and not _refused_by_tls(error)
                raise failure or error from None
            # The status has come, which is the result; a repetition would arrive twice.
            parser.keep_alive = False
        if failure is not None:
            parser.keep_alive = False

    def _connect(self, give_up_at_s: float) -> _socket.socket:
        destination = self._destination
        proxy = destination.proxy
        if proxy is None:
            return self._dial(destination.host, destination.port, give_up_at_s)
        try:
            return self._dial(proxy.host, proxy.port, give_up_at_s)
        except OSError as error:
            from serverless_instrument.forwarder.destinations.proxy import ProxyError

            # Refusals of the proxy, and TLS errors of the destination behind it, are clear already.
            if isinstance(error, ProxyError) or type(error).__module__ == "ssl":
                raise
            raise ProxyError(f"{proxy}: {error.strerror or error}") from None

    def _dial(self, host: str, port: int, give_up_at_s: float) -> _socket.socket:
        error: OSError = OSError(f"no address for {host}")
        # As bytes: a str is encoded by the IDNA codec, which imports re and enum.
        addresses = _socket.getaddrinfo(host.encode(), port, 0, _socket.SOCK_STREAM)
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            # An unreachable address may not use up the time of those after it.
            share_s = _left_s(give_up_at_s) / (len(addresses) - tried)
            connection = _socket.socket(family, kind, protocol)
            try:
                connection.settimeout(share_s)
                connection.connect(address)
                connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                return self._secured(connection, share_s)
            except BaseException as failure:
                connection.close()
                if not isinstance(failure, OSError):
                    raise
                error = failure
        raise error

    def _secured(self, connection: _socket.socket, within_s: float) -> _socket.socket:
        """`connection`, with TLS for an https destination, through a tunnel behind a proxy."""
        if not self._destination.secure:
            return connection
        if self._destination.proxy is not None:
            from serverless_instrument.forwarder.exporter import proxy_tunnel

            proxy, give_up_at_s = self._destination.proxy, monotonic() + within_s
            proxy_tunnel.open_tunnel(connection, proxy, self._destination, give_up_at_s)
            connection.settimeout(_left_s(give_up_at_s))
        wrapped: object = self._trust().wrap_socket(
            connection,  # type: ignore[arg-type] # SSLSocket needs only what _socket has
            server_hostname=self._destination.host,
        )
        secured: _socket.socket = wrapped  # type: ignore[assignment] # a subclass at run time
        return secured

    def _trust(self) -> ssl.SSLContext:
        """The TLS context: trusted roots, and the client certificate if there is one."""
        if self._context is None:
            destination = self._destination
            files = (
                destination.certificate,
                destination.client_certificate,
                destination.client_key,
            )
            with _making_context:
                self._context = _contexts.get(files)
                if self._context is None:
                    self._context = _contexts[files] = _context(*files)
        return self._context

    def close(self) -> None:
        """Close the connection if there is one; the next exchange makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refused_by_tls(error: Exception) -> bool:
    """Whether the peer refused the connection, which TLS 1.3 reports after our first bytes."""
    return "ALERT" in str(getattr(error, "reason", ""))


def _left_s(give_up_at_s: float) -> float:
    left_s = give_up_at_s - monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s


def _context(certificate: str, client_certificate: str, client_key: str) -> ssl.SSLContext:
    import ssl

    file = certificate
    try:
        context = ssl.create_default_context(cafile=file or None)
        if client_certificate:
            file = client_certificate
            context.load_cert_chain(file, client_key or None)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f'certificate file "{file}" cannot be used: {reason}') from None
    return context
