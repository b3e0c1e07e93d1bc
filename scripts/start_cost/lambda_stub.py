"""The smallest Runtime and Extensions API a process can start against.

It answers registration and holds every ``…/next`` for ever once the events it was given are used
up. For a faithful one see serverless_instrument.local; here nothing may stand between a request's
arrival and its timestamp.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

RUNTIME_NEXT = "GET /2018-06-01/runtime/invocation/next"
REGISTER = "POST /2020-01-01/extension/register"
EXTENSION_NEXT = "GET /2020-01-01/extension/event/next"

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_IDENTIFIER = b"Lambda-Extension-Identifier: 8f14e45f-ceea-467f-9c3b-6b1d0c5b7a21\r\n"
_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:start-cost"
_TIMEOUT_MS = 60_000
_REGISTERED = b'{"functionName":"start-cost","functionVersion":"$LATEST","handler":"app.handler"}'


class Request(NamedTuple):
    """One request: ``METHOD /path``, when its first byte arrived (monotonic), its body."""

    target: str
    received_s: float
    body: bytes


class LambdaStub:
    """Context manager; serves on `address` (``127.0.0.1:port``) until it is left.

    `extension_events` are the bodies that the extension's ``/next`` answers with, one after the
    other, and `runtime_events` those of the runtime's. `on_request` is called in the connection's
    thread before the request is answered.
    """

    def __init__(
        self,
        extension_events: Sequence[bytes] = (),
        on_request: Callable[[Request], None] | None = None,
        runtime_events: Iterable[bytes] = (),
    ) -> None:
        self._events = list(extension_events)
        self._runtime_events = iter(runtime_events)
        self._invocations = 0
        self._on_request = on_request
        self._arrived = threading.Condition()
        self._connections: list[socket.socket] = []
        self.requests: list[Request] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> LambdaStub:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def wait_for(self, target: str, timeout_s: float, count: int = 1) -> Request:
        """The `count`-th request whose ``METHOD /path`` is `target`.

        Raises:
            TimeoutError: it did not come; the message lists what did.
        """

        def arrived() -> list[Request]:
            matching = [request for request in self.requests if request.target == target]
            return matching[count - 1 : count]

        with self._arrived:
            found = self._arrived.wait_for(arrived, timeout_s)
        if not found:
            seen = ", ".join(request.target for request in self.requests) or "nothing"
            raise TimeoutError(f"no {target} within {timeout_s:g} s; seen: {seen}")
        return found[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (request := read_request(connection)) is not None:
                if self._on_request is not None:
                    self._on_request(request)
                with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                answer = self._answer(request.target)
                if answer is not None:
                    connection.sendall(answer)
        except OSError:
            return

    def _answer(self, target: str) -> bytes | None:
        if target == REGISTER:
            return response(_REGISTERED, _IDENTIFIER)
        if target == EXTENSION_NEXT and self._events:
            return response(self._events.pop(0), _IDENTIFIER)
        if target == RUNTIME_NEXT:
            event = next(self._runtime_events, None)
            return None if event is None else self._invocation(event)
        if target.endswith("/next"):
            return None
        return response(b'"OK"')

    def _invocation(self, event: bytes) -> bytes:
        self._invocations += 1
        return response(event, invocation_headers(self._invocations))


def request_id(number: int) -> str:
    """The id of the `number`-th invocation, counted from 1."""
    return f"8f14e45f-ceea-467f-9c3b-{number:012d}"


def invocation_headers(number: int) -> bytes:
    """What Lambda says of the `number`-th invocation; the deadline is a minute away."""
    deadline_unix_ms = int(time.time() * 1000) + _TIMEOUT_MS
    trace = f"Root=1-65a1b2c3-{number:024x};Parent={number:016x};Sampled=1"
    return (
        f"Lambda-Runtime-Aws-Request-Id: {request_id(number)}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_unix_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {_ARN}\r\n"
        f"Lambda-Runtime-Trace-Id: {trace}\r\n"
    ).encode()


def response(body: bytes, headers: bytes = b"") -> bytes:
    """A 200 with `body`; `headers` end with a line break each."""
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (_OK, headers, len(body), body)


def read_request(connection: socket.socket) -> Request | None:
    """The next request of a connection; None when the peer has closed it."""
    data = connection.recv(65536)
    received_s = time.monotonic()
    while data and b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        data = data + more if more else b""
    if not data:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    missing_bytes = _content_length(head) - len(body)
    while missing_bytes > 0 and (more := connection.recv(65536)):
        body += more
        missing_bytes -= len(more)
    return Request(head.split(b" HTTP/", 1)[0].decode(), received_s, body)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
