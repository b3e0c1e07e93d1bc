"""The HTTP listener that the Telemetry API posts to.

A post is answered before it is parsed: a slow listener blocks the platform
(https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html).
"""

from __future__ import annotations

import _socket
from select import POLLIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from select import poll

    from serverless_instrument.forwarder.http1 import BadMessageError
    from serverless_instrument.forwarder.http1_listener import Http1Listener
    from serverless_instrument.forwarder.http1_server import RequestParser

_HOST = "sandbox.localdomain"
_LOOPBACK = "127.0.0.1"
_HOSTS_FILE = "/etc/hosts"
_BACKLOG = 16
# More than one post, and little enough that no peer keeps the event loop busy alone.
_READ_PER_TURN_BYTES = 1024 * 1024
# The platform keeps one or two connections.
_LIMIT = 8


def host_address(hosts: str, api: str) -> str:
    """The IPv4 address of ``sandbox.localdomain`` in an /etc/hosts, "" where to ask a resolver.

    It is loopback where it has no entry and the Runtime API of `api` is on loopback, too: a laptop
    may wait seconds for a name server that does not know the name.
    """
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if _HOST in names and "." in address:
            return address
    return _LOOPBACK if api.rpartition(":")[0] in ("", _LOOPBACK, "localhost") else ""


def listen(api: str) -> tuple[_socket.socket | None, int, str]:
    """(listening socket, port, ""), or (None, 0, the reason why there is none); never raises.

    Never on all interfaces: what is posted becomes the function's telemetry.
    """
    try:
        with open(_HOSTS_FILE, "rb") as file:
            hosts = file.read(65536).decode("latin-1")
    except OSError:
        hosts = ""
    problem = ""
    for address in (host_address(hosts, api) or _HOST, _LOOPBACK):
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            listener.bind((address, 0))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            problem = f"cannot listen on {address}: {error.strerror or error}"
        else:
            return listener, listener.getsockname()[1], ""
    return None, 0, f"no telemetry from the platform: {problem}"


class TelemetryListener:
    """Posts to `listener`.

    What reads them is loaded with the first one, after the extension has asked for its first event.

    Args:
        listener: see `listen`.
        poller: its owner waits, and hands the descriptors that are ready to `receive`.
    """

    def __init__(self, listener: _socket.socket, poller: poll) -> None:
        self._listener = listener
        self._poller = poller
        self._http: Http1Listener | None = None
        self._bodies: list[bytes] = []
        poller.register(listener.fileno(), POLLIN)

    def close(self) -> None:
        """Stop listening: nothing will be posted."""
        if self._http is not None:
            self._http.close()
        elif self._listener.fileno() >= 0:
            self._poller.unregister(self._listener.fileno())
            self._listener.close()

    def receive(self, ready: set[int]) -> list[bytes]:
        """Bodies of the posts that descriptors in `ready` complete, each answered already."""
        if self._http is None:
            if self._listener.fileno() not in ready:
                return []
            self._http = self._load()
        self._http.receive(ready)
        bodies, self._bodies = self._bodies, []
        return bodies

    def _load(self) -> Http1Listener:
        from serverless_instrument.forwarder.http1_listener import Http1Listener

        return Http1Listener(
            self._listener,
            self._poller,
            self._respond,
            _refuse,
            limit=_LIMIT,
            read_per_turn_bytes=_READ_PER_TURN_BYTES,
        )

    def _respond(self, parser: RequestParser) -> bytes:
        from serverless_instrument.forwarder.http1_server import response

        if parser.method != "POST":
            return response(405, keep_alive=parser.keep_alive)
        self._bodies.append(bytes(parser.body))
        return response(200, keep_alive=parser.keep_alive)


def _refuse(error: BadMessageError, parser: RequestParser) -> bytes:  # noqa: ARG001 - as `Refuse`
    from serverless_instrument.forwarder.http1_server import refusal_status, response

    return response(refusal_status(error), keep_alive=False)
