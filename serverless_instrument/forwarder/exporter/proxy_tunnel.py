"""A tunnel through an HTTP proxy (CONNECT: RFC 9110, section 9.3.6); blocking."""

from __future__ import annotations

from time import monotonic

from serverless_instrument.forwarder.destinations.proxy import ProxyError
from serverless_instrument.forwarder.http1 import BadResponseError, ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.destinations.proxy import Proxy

_READ_BYTES = 4096


def open_tunnel(
    connection: _socket.socket, proxy: Proxy, destination: Destination, give_up_at_s: float
) -> None:
    """Have `proxy`, at the other end of `connection`, pass everything on to `destination`.

    Raises:
        ProxyError: it refuses, or is no proxy.
        TimeoutError: it did not answer until `give_up_at_s` (monotonic).
    """
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    lines = [f"CONNECT {host}:{destination.port} HTTP/1.1", f"Host: {host}:{destination.port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    parser = ResponseParser(to_connect=True)
    try:
        while not parser.complete:
            left_s = give_up_at_s - monotonic()
            if left_s <= 0:
                raise TimeoutError(f"no answer from {proxy} in time")
            connection.settimeout(left_s)
            data = connection.recv(_READ_BYTES)
            if not data:
                raise ProxyError(f"{proxy} closed the connection")
            parser.receive_data(data)
            if parser.status_known and parser.status >= 300:
                break  # the body, a page for browsers, is not needed
    except BadResponseError as error:
        raise ProxyError(f"{proxy} is no HTTP proxy: {error}") from None
    if not 200 <= parser.status < 300:
        raise ProxyError(f"{proxy} refused: HTTP {parser.status}{_remedy(parser.status)}")
    if not parser.keep_alive:
        raise ProxyError(f"{proxy} sent more than an answer")


def _remedy(status: int) -> str:
    if status == 407:
        return ", it wants credentials: set HTTPS_PROXY to http://user:password@host:port"
    return ""
