"""The smallest Runtime and Extensions API a process can start against.

It answers registration and holds every ``…/next`` for ever once the events it was given are used
up. For a faithful one see serverless_instrument.local; here nothing may stand between a request's
arrival and its timestamp.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from start_cost.http_server import Request, Server, response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RUNTIME_NEXT = "GET /2018-06-01/runtime/invocation/next"
REGISTER = "POST /2020-01-01/extension/register"
EXTENSION_NEXT = "GET /2020-01-01/extension/event/next"

_IDENTIFIER = b"Lambda-Extension-Identifier: 8f14e45f-ceea-467f-9c3b-6b1d0c5b7a21\r\n"
_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:start-cost"
_TIMEOUT_MS = 60_000
_REGISTERED = b'{"functionName":"start-cost","functionVersion":"$LATEST","handler":"app.handler"}'


class LambdaStub(Server):
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
        super().__init__()
        self._events = list(extension_events)
        self._runtime_events = iter(runtime_events)
        self._invocations = 0
        self._on_request = on_request
        self._arrived = threading.Condition()
        self.requests: list[Request] = []

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

    def answer(self, request: Request) -> bytes | None:
        """As Lambda answers; None for what it holds for ever."""
        if self._on_request is not None:
            self._on_request(request)
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        return self._answer(request.target)

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
