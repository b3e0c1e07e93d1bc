"""A stub of the Runtime and Extensions APIs: it invokes when told to, and notes when what comes.

For a faithful one see serverless_instrument.local; here nothing may stand between a request's
arrival and its timestamp.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmark.sandbox.http_server import Request, Server, response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType

RUNTIME_NEXT = "GET /2018-06-01/runtime/invocation/next"
REGISTER = "POST /2020-01-01/extension/register"
EXTENSION_NEXT = "GET /2020-01-01/extension/event/next"

_IDENTIFIER = b"Lambda-Extension-Identifier: 8f14e45f-ceea-467f-9c3b-6b1d0c5b7a21\r\n"
_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
_REGISTERED = b'{"functionName":"bench","functionVersion":"$LATEST","handler":"app.handler"}'
_TIMEOUT_MS = 60_000
# What an error before the first invocation is noted under.
_INIT = 0


class Invoked(NamedTuple):
    """One invocation: event given to response received; and response to the last /next."""

    latency_ms: float
    tail_ms: float


class InvocationError(Exception):
    """The function answered with an error; the message is its document."""


class LambdaApi(Server):
    """Context manager; serves on `address` (``127.0.0.1:port``) until it is left.

    ``…/next`` waits until `invoke` is called, and for ever where it is not. `runtime_events` and
    `extension_events` are bodies that it answers with before that, one after the other and at
    once. Requests for one of `held` are never answered. `on_request` is called in the connection's
    thread before the request is answered. Extensions that register from inside the runtime are
    counted as soon as they ask for an event.
    """

    def __init__(
        self,
        *,
        runtime_events: Iterable[bytes] = (),
        extension_events: Iterable[bytes] = (),
        held: Collection[str] = (),
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        super().__init__()
        self._given = {RUNTIME_NEXT: iter(runtime_events), EXTENSION_NEXT: iter(extension_events)}
        self._held = held
        self._on_request = on_request
        self._changed = threading.Condition()
        self._requests: dict[str, list[Request]] = {}
        self._number = 0
        self._event = b"{}"
        self._waiting: dict[int, str] = {}
        self._next_s = 0.0
        self._answered: dict[int, tuple[float, bool, bytes]] = {}
        self._closed = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        super().__exit__(kind, error, traceback)

    def wait_for(self, target: str, timeout_s: float, count: int = 1) -> Request:
        """The `count`-th request whose ``METHOD /path`` is `target`.

        Raises:
            TimeoutError: it did not come; the message lists what did.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: len(self._requests.get(target, ())) >= count, timeout_s
            ):
                seen = ", ".join(self._requests) or "nothing"
                raise TimeoutError(f"no {target} within {timeout_s:g} s; seen: {seen}")
            return self._requests[target][count - 1]

    def wait_ready(self, who: set[str], timeout_s: float) -> float:
        """When (monotonic, s) all of `who` (`RUNTIME_NEXT`, `EXTENSION_NEXT`) were waiting.

        Raises:
            InvocationError: the runtime gave up starting.
            TimeoutError: one of them did not come.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: who <= set(self._waiting.values()) or _INIT in self._answered, timeout_s
            )
            if _INIT in self._answered:
                raise InvocationError(self._answered[_INIT][2].decode(errors="replace")[:300])
            if not who <= set(self._waiting.values()):
                missing = ", ".join(sorted(who - set(self._waiting.values())))
                raise TimeoutError(f"no {missing} within {timeout_s:g} s")
            return self._next_s

    def invoke(self, event: bytes, who: set[str], timeout_s: float) -> Invoked:
        """Invoke, and wait until all of `who` are back for the next event.

        Raises:
            InvocationError: the function failed.
            TimeoutError: somebody did not come back.
        """
        with self._changed:
            self._number += 1
            self._event = event
            self._waiting.clear()
            begin_s = time.monotonic()
            self._changed.notify_all()
            number = self._number
            if not self._changed.wait_for(lambda: number in self._answered, timeout_s):
                raise TimeoutError(f"no response to invocation {number} within {timeout_s:g} s")
            answered_s, succeeded, body = self._answered[number]
            if not succeeded:
                raise InvocationError(body.decode(errors="replace")[:300])
        end_s = self.wait_ready(who, timeout_s)
        return Invoked((answered_s - begin_s) * 1e3, max(0.0, end_s - answered_s) * 1e3)

    def answer(self, request: Request) -> bytes | None:
        """As Lambda answers; None for what is held, and for who waits when it is over."""
        if self._on_request is not None:
            self._on_request(request)
        target, received_s, body = request
        with self._changed:
            self._requests.setdefault(target, []).append(request)
            if target.endswith(("/response", "/error")):
                self._answered[self._number] = received_s, target.endswith("/response"), body
            self._changed.notify_all()
        if target in self._held:
            return None
        if target in self._given:
            return self._next(target, received_s)
        if target == REGISTER:
            return response(_REGISTERED, _IDENTIFIER)
        return response(b'"OK"')

    def _next(self, target: str, received_s: float) -> bytes | None:
        with self._changed:
            given = next(self._given[target], None)
            if given is not None:
                self._number += target == RUNTIME_NEXT
                return _answer(target, given, self._number)
            seen = self._number
            self._waiting[threading.get_ident()] = target
            self._next_s = received_s
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._number > seen)
            if self._closed:
                return None
            number, event = self._number, self._event
        return _answer(target, event if target == RUNTIME_NEXT else invoke_event(number), number)


def _answer(target: str, body: bytes, number: int) -> bytes:
    headers = _invocation_headers(number) if target == RUNTIME_NEXT else _IDENTIFIER
    return response(body, headers)


def request_id(number: int) -> str:
    """The id of the `number`-th invocation, counted from 1."""
    return f"8f14e45f-ceea-467f-9c3b-{number:012d}"


def invoke_event(number: int) -> bytes:
    """What an extension is told of the `number`-th invocation; its deadline is a minute away."""
    event = {
        "eventType": "INVOKE",
        "requestId": request_id(number),
        "deadlineMs": int(time.time() * 1000) + _TIMEOUT_MS,
        "invokedFunctionArn": _ARN,
    }
    return json.dumps(event).encode()


def _invocation_headers(number: int) -> bytes:
    deadline_unix_ms = int(time.time() * 1000) + _TIMEOUT_MS
    trace = f"Root=1-65a1b2c3-{number:024x};Parent={number:016x};Sampled=1"
    return (
        f"Lambda-Runtime-Aws-Request-Id: {request_id(number)}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_unix_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {_ARN}\r\n"
        f"Lambda-Runtime-Trace-Id: {trace}\r\n"
    ).encode()
