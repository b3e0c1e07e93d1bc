"""The HTTP listener that the platform posts telemetry to; reads and answers, decides nothing.

A post is answered before anybody looks at it: a slow listener blocks the platform
(https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html).
"""

from __future__ import annotations

import _socket
from select import POLLIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from select import poll

    from serverless_instrument.forwarder.http1_server import RequestParser

_HOST = "sandbox.localdomain"
_LOOPBACK = "127.0.0.1"
_HOSTS_FILE = "/etc/hosts"
_BACKLOG = 16
_READ_BYTES = 256 * 1024
# More than one post: nobody keeps the loop busy alone.
_READ_PER_TURN_BYTES = 1024 * 1024
# The platform keeps one or two.
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


class _Client:
    __slots__ = ("connection", "parser")

    def __init__(self, connection: _socket.socket, parser: RequestParser) -> None:
        self.connection = connection
        self.parser = parser


class TelemetryListener:
    """Connections to `listener`, all watched by `poller`, whose owner hands over what is ready."""

    def __init__(self, listener: _socket.socket, poller: poll) -> None:
        self._listener = listener
        self._poller = poller
        self._clients: dict[int, _Client] = {}
        self._paused = False
        poller.register(listener.fileno(), POLLIN)

    def close(self) -> None:
        """Nothing will be posted: stop listening."""
        if self._listener.fileno() >= 0:
            if not self._paused:
                self._poller.unregister(self._listener.fileno())
            self._listener.close()
        for descriptor in list(self._clients):
            self._drop(descriptor)

    def receive(self, ready: set[int]) -> list[bytes]:
        """Bodies of the posts that descriptors in `ready` complete, each answered already."""
        if self._paused:
            self._paused = False
            self._poller.register(self._listener.fileno(), POLLIN)
        elif self._listener.fileno() in ready:
            ready = ready | self._accept()
        bodies: list[bytes] = []
        for descriptor in ready & self._clients.keys():
            client = self._clients[descriptor]
            if not self._read(client, bodies):
                self._drop(descriptor)
        return bodies

    def _accept(self) -> set[int]:
        from serverless_instrument.forwarder.http1_server import RequestParser

        accepted: set[int] = set()
        while True:
            try:
                descriptor, _ = self._listener._accept()  # type: ignore[attr-defined] # what socket.accept wraps
            except BlockingIOError:
                return accepted
            except OSError:
                # No descriptors, perhaps; whoever waits stays, and would wake the loop for ever.
                self._poller.unregister(self._listener.fileno())
                self._paused = True
                return accepted
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, descriptor)
            connection.setblocking(False)
            if len(self._clients) >= _LIMIT:
                # The oldest is idle, or somebody who has no business here.
                self._drop(next(iter(self._clients)))
            self._clients[descriptor] = _Client(connection, RequestParser())
            self._poller.register(descriptor, POLLIN)
            accepted.add(descriptor)

    def _drop(self, descriptor: int) -> None:
        self._poller.unregister(descriptor)
        self._clients.pop(descriptor).connection.close()

    def _read(self, client: _Client, bodies: list[bytes]) -> bool:
        """False where the connection is over."""
        from serverless_instrument.forwarder.http1 import BadMessageError
        from serverless_instrument.forwarder.http1_server import answer

        room_bytes = _READ_PER_TURN_BYTES
        try:
            while room_bytes > 0:
                data = client.connection.recv(_READ_BYTES)
                if not data:
                    return False
                room_bytes -= len(data)
                client.parser.feed(data)
                if not self._answer(client, bodies):
                    return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        except BadMessageError:
            try:
                client.connection.send(answer(400, keep_alive=False))
            except OSError:
                pass
            return False
        return True

    def _answer(self, client: _Client, bodies: list[bytes]) -> bool:
        """Answer every request that is complete; False where the connection ends with it."""
        from serverless_instrument.forwarder.http1_server import CONTINUE, answer

        if client.parser.wants_continue and not client.parser.complete:
            client.parser.wants_continue = False
            client.connection.send(CONTINUE)
        while client.parser.complete:
            parser = client.parser
            posted = parser.method == "POST"
            client.connection.send(answer(200 if posted else 405, keep_alive=parser.keep_alive))
            if posted:
                bodies.append(bytes(parser.body))
            if not parser.keep_alive:
                return False
            client.parser = parser.following()
        return True
