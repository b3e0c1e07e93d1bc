"""OTLP/HTTP on loopback, for other languages and child processes; non-blocking.

Loaded only where SERVERLESS_INSTRUMENT_RECEIVER asks for it.
"""

from __future__ import annotations

import _socket

from serverless_instrument.forwarder.http1_listener import Http1Listener
from serverless_instrument.forwarder.http1_server import refusal_status
from serverless_instrument.forwarder.inputs import otlp_request
from serverless_instrument.forwarder.inputs.otlp_request import BadRequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from select import poll

    from serverless_instrument.forwarder.http1 import BadMessageError
    from serverless_instrument.forwarder.http1_server import RequestParser

_BACKLOG = 64
# Each connection may hold a request of 4 MB that has not come whole.
_LIMIT = 16
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


class OtlpReceiver:
    """Export requests of other processes.

    Args:
        listener: see `listen`.
        poller: its owner waits, and hands the descriptors that are ready to `receive`.
        add_request: gets signal, encoded ``Export*ServiceRequest`` and number of items of each
            request.
    """

    def __init__(
        self,
        listener: _socket.socket,
        poller: poll,
        add_request: Callable[[str, bytes, int], None],
    ) -> None:
        self._add_request = add_request
        self._listener = Http1Listener(
            listener,
            poller,
            self._respond,
            self._refuse,
            limit=_LIMIT,
            read_per_turn_bytes=_READ_PER_TURN_BYTES,
        )

    def receive(self, ready: set[int]) -> None:
        """Read from, and write to, descriptors in `ready`."""
        self._listener.receive(ready)

    def receive_last(self) -> None:
        """Read everything that there is: nothing more will come."""
        self._listener.receive_last()

    def _respond(self, parser: RequestParser) -> bytes:
        try:
            self._add_request(*otlp_request.parse_export(parser))
        except BadRequestError as error:
            return otlp_request.refusal_response(error, parser, keep_alive=parser.keep_alive)
        return otlp_request.success_response(keep_alive=parser.keep_alive)

    def _refuse(self, error: BadMessageError, parser: RequestParser) -> bytes:
        refusal = BadRequestError(refusal_status(error), str(error))
        return otlp_request.refusal_response(refusal, parser, keep_alive=False)
