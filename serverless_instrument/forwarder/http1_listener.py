"""HTTP/1.1 connections to one of our listening sockets; non-blocking, bounded.

Overload: at most `limit` connections are open. One more closes another, first one that is between
two requests, else one with a request that has not come whole; of these the one that has been silent
for longest. So neither idle connections nor peers that stop in the middle of a request keep others
out. Where no descriptor is left, peers wait in the kernel until the next turn of the event loop.
"""

from __future__ import annotations

import _socket
from select import POLLIN, POLLOUT

from serverless_instrument.forwarder.http1 import BadMessageError
from serverless_instrument.forwarder.http1_server import CONTINUE, RequestParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from select import poll

    Respond = Callable[[RequestParser], bytes]
    Refuse = Callable[[BadMessageError, RequestParser], bytes]

_ACCEPT_PER_TURN = 64
# What a peer may go on sending after its last response. Closing at once would reset the connection,
# and the peer might never read the response.
_DISCARD_BYTES = 16 * 1024 * 1024
_READ_BYTES = 256 * 1024


class _Connection:
    """The request that is coming, and the responses that have not been sent.

    After the last response (`is_last`) what comes is read and discarded.
    """

    __slots__ = ("discarded_bytes", "is_last", "parser", "socket", "unsent")

    def __init__(self, socket: _socket.socket) -> None:
        self.socket = socket
        self.parser = RequestParser()
        self.unsent = b""
        self.is_last = False
        self.discarded_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether closing it costs no request and no response."""
        return self.is_last or not (self.parser.started or self.unsent)

    def send_unsent(self) -> bool:
        """Send responses; whether all of them are in the kernel. Raises OSError."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            return False
        return True

    def receive_data(self, data: bytes, respond: Respond, refuse: Refuse) -> None:
        """Parse `data`, and queue the responses to the requests that it completes."""
        if self.is_last:
            self.discarded_bytes += len(data)
            return
        try:
            self.parser.receive_data(data)
            while self.parser.complete and not self.is_last:
                self.unsent += respond(self.parser)
                self.is_last = not self.parser.keep_alive
                self.parser = self.parser.next_parser()
        except BadMessageError as error:
            # Where the next request would begin cannot be known.
            self.unsent += refuse(error, self.parser)
            self.is_last = True
            return
        if self.parser.wants_continue and not self.parser.complete:
            self.parser.wants_continue = False
            self.unsent += CONTINUE


class Http1Listener:
    """Connections of HTTP clients, all watched by `poller`.

    Args:
        listener: a non-blocking socket that listens.
        poller: its owner waits, and hands the descriptors that are ready to `receive`.
        respond: gives the response to a complete request.
        refuse: gives the response to what is no request; the connection ends with it.
        limit: how many connections may be open; see the module for what happens beyond.
        read_per_turn_bytes: how much one call of `receive` reads from one connection.
    """

    def __init__(
        self,
        listener: _socket.socket,
        poller: poll,
        respond: Respond,
        refuse: Refuse,
        *,
        limit: int,
        read_per_turn_bytes: int,
    ) -> None:
        self._listener = listener
        self._poller = poller
        self._respond = respond
        self._refuse = refuse
        self._limit = limit
        self._read_per_turn_bytes = read_per_turn_bytes
        # By descriptor, the one that has been silent for longest first.
        self._connections: dict[int, _Connection] = {}
        self._paused = False
        poller.register(listener.fileno(), POLLIN)

    def receive(self, ready: set[int]) -> None:
        """Read from, and write to, descriptors in `ready`; let in who waits at the listener."""
        for descriptor in ready & self._connections.keys():
            self._serve(descriptor)
        if self._paused:
            self._resume()
        elif self._listener.fileno() in ready:
            self._accept()

    def receive_last(self) -> None:
        """Read everything that there is: nothing more will come."""
        if self._paused:
            self._resume()
        self.receive({*self._connections, self._listener.fileno()})

    def close(self) -> None:
        """Close the listener and every connection."""
        if not self._paused:
            self._poller.unregister(self._listener.fileno())
        self._listener.close()
        for descriptor in list(self._connections):
            self._close(descriptor)

    def _resume(self) -> None:
        self._paused = False
        self._poller.register(self._listener.fileno(), POLLIN)

    def _accept(self) -> None:
        for _ in range(_ACCEPT_PER_TURN):
            try:
                descriptor, _ = self._listener._accept()  # type: ignore[attr-defined] # what socket.accept wraps
            except BlockingIOError:
                return
            except OSError:
                # No descriptor is left, perhaps: who waits would wake the loop again and again.
                self._poller.unregister(self._listener.fileno())
                self._paused = True
                return
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, descriptor)
            connection.setblocking(False)
            if len(self._connections) >= self._limit:
                self._close_one()
            self._connections[descriptor] = _Connection(connection)
            self._poller.register(descriptor, POLLIN)
            self._serve(descriptor)

    def _close_one(self) -> None:
        idle = (number for number, each in self._connections.items() if each.idle)
        self._close(next(idle, next(iter(self._connections))))

    def _close(self, descriptor: int) -> None:
        self._poller.unregister(descriptor)
        self._connections.pop(descriptor).socket.close()

    def _serve(self, descriptor: int) -> None:
        connection = self._connections[descriptor]
        try:
            is_open = self._exchange(descriptor, connection)
        except OSError:
            is_open = False
        if is_open:
            # A peer that does not read its responses is not read from.
            self._poller.modify(descriptor, POLLOUT if connection.unsent else POLLIN)
        else:
            self._close(descriptor)

    def _exchange(self, descriptor: int, connection: _Connection) -> bool:
        """Read and respond; whether the connection stays open. Raises OSError."""
        room_bytes = self._read_per_turn_bytes
        while connection.send_unsent() and room_bytes > 0:
            if connection.is_last and not connection.discarded_bytes:
                connection.socket.shutdown(_socket.SHUT_WR)
            try:
                data = connection.socket.recv(_READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            room_bytes -= len(data)
            # It has spoken last.
            self._connections[descriptor] = self._connections.pop(descriptor)
            connection.receive_data(data, self._respond, self._refuse)
        return connection.discarded_bytes < _DISCARD_BYTES
