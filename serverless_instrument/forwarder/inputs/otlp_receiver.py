"""OTLP/HTTP on loopback, for other languages and child processes; non-blocking.

Loaded only where SERVERLESS_INSTRUMENT_RECEIVER asks for it.
"""

from __future__ import annotations

import _socket
from select import POLLIN, POLLOUT

from serverless_instrument.forwarder.http1 import BadMessageError
from serverless_instrument.forwarder.http1_server import CONTINUE, RequestParser, TooLongError
from serverless_instrument.forwarder.inputs import otlp_request
from serverless_instrument.forwarder.inputs.otlp_request import BadRequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from select import poll

_BACKLOG = 64
# Each may hold a request of 4 MB that is not whole yet.
_LIMIT = 16
# What a peer may go on sending after a refusal; closing at once would take the answer from it.
_DISCARD_BYTES = 16 * 1024 * 1024
_READ_BYTES = 256 * 1024
_READ_PER_TURN_BYTES = 4 * 1024 * 1024


def listen(port: int) -> tuple[_socket.socket | None, str]:
    """(listening socket on 127.0.0.1, ""), or (None, the reason why there is none)."""
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        return None, (
            f"no OTLP is received: cannot listen on 127.0.0.1:{port}: {error.strerror}; set "
            "SERVERLESS_INSTRUMENT_RECEIVER to a free port"
        )
    return listener, ""


class _Peer:
    """One connection: the request that is coming, and the answers that have not gone."""

    __slots__ = ("continued", "discarded_bytes", "last", "parser", "socket", "unsent")

    def __init__(self, connection: _socket.socket) -> None:
        self.socket = connection
        self.parser = RequestParser()
        self.unsent = b""
        self.continued = False
        # After the last answer, what comes is read and discarded.
        self.last = False
        self.discarded_bytes = 0


class OtlpReceiver:
    """Connections of exporters, all watched by `poller`.

    Args:
        listener: see `listen`.
        poller: its owner waits, and hands what is ready to `receive`.
        take: gets signal, encoded ``Export*ServiceRequest`` and number of items of each request.
    """

    def __init__(
        self, listener: _socket.socket, poller: poll, take: Callable[[str, bytes, int], None]
    ) -> None:
        self._listener = listener
        self._poller = poller
        self._take = take
        self._open: dict[int, _Peer] = {}
        poller.register(listener.fileno(), POLLIN)

    def receive(self, ready: set[int]) -> None:
        """Read from, and write to, descriptors in `ready`."""
        for descriptor in ready & self._open.keys():
            peer = self._open[descriptor]
            try:
                open_still = self._serve(peer)
            except OSError:
                open_still = False
            if open_still:
                # Who does not read its answers is not read from.
                self._poller.modify(descriptor, POLLOUT if peer.unsent else POLLIN)
            else:
                self._close(descriptor)
        if self._listener.fileno() in ready:
            self._accept()

    def receive_last(self) -> None:
        """Read what there is: nothing more will come."""
        self.receive({self._listener.fileno()})
        self.receive(set(self._open))

    def _accept(self) -> None:
        while True:
            try:
                # What socket.accept wraps.
                descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
            except OSError:  # nobody waits, or no descriptor is left
                return
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, descriptor)
            connection.setblocking(False)
            self._open[descriptor] = _Peer(connection)
            self._poller.register(descriptor, POLLIN)
            if len(self._open) > _LIMIT and not self._closed_an_idle_one():
                # All are busy: others wait in the kernel until one of these closes.
                self._poller.modify(self._listener.fileno(), 0)
                return

    def _closed_an_idle_one(self) -> bool:
        """Close the oldest connection that is between two requests, if there is one."""
        for descriptor, peer in self._open.items():
            if peer.last or not (peer.parser.started or peer.unsent):
                self._close(descriptor)
                return True
        return False

    def _close(self, descriptor: int) -> None:
        self._poller.modify(self._listener.fileno(), POLLIN)
        self._poller.unregister(descriptor)
        self._open.pop(descriptor).socket.close()

    def _serve(self, peer: _Peer) -> bool:
        """Go on with what has come; whether the connection stays open."""
        room_bytes = _READ_PER_TURN_BYTES
        while self._sent(peer) and room_bytes > 0:
            if peer.last and not peer.discarded_bytes:
                peer.socket.shutdown(_socket.SHUT_WR)
            try:
                data = peer.socket.recv(_READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            room_bytes -= len(data)
            if peer.last:
                peer.discarded_bytes += len(data)
            else:
                self._feed(peer, data)
        return peer.discarded_bytes < _DISCARD_BYTES

    def _sent(self, peer: _Peer) -> bool:
        """Whether all answers are on their way."""
        try:
            while peer.unsent:
                peer.unsent = peer.unsent[peer.socket.send(peer.unsent) :]
        except BlockingIOError:
            return False
        return True

    def _feed(self, peer: _Peer, data: bytes) -> None:
        try:
            peer.parser.feed(data)
            while peer.parser.complete and not peer.last:
                peer.unsent += self._answer(peer.parser)
                peer.last = not peer.parser.keep_alive
                peer.continued = False
                peer.parser = peer.parser.following()
        except BadMessageError as error:
            # Where the next request begins cannot be known.
            status = 413 if isinstance(error, TooLongError) else 400
            refusal = BadRequestError(status, str(error))
            peer.unsent += otlp_request.refused(refusal, peer.parser, keep_alive=False)
            peer.last = True
            return
        if peer.parser.wants_continue and not (peer.continued or peer.parser.complete):
            peer.continued = True
            peer.unsent += CONTINUE

    def _answer(self, parser: RequestParser) -> bytes:
        try:
            self._take(*otlp_request.taken(parser))
        except BadRequestError as error:
            return otlp_request.refused(error, parser, keep_alive=parser.keep_alive)
        return otlp_request.accepted(keep_alive=parser.keep_alive)
