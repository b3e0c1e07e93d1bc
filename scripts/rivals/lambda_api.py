"""A Runtime and Extensions API that invokes when it is told to, and notes when what comes.

Unlike start_cost's stub it has two that wait in /next, the runtime and perhaps an extension, and
an invocation is over when both are back there.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from start_cost.http_server import Request, Server, response
from start_cost.lambda_stub import (
    EXTENSION_NEXT,
    REGISTER,
    RUNTIME_NEXT,
    invocation_headers,
    request_id,
)

if TYPE_CHECKING:
    from types import TracebackType

_IDENTIFIER = b"Lambda-Extension-Identifier: 8f14e45f-ceea-467f-9c3b-6b1d0c5b7a21\r\n"
_REGISTERED = b'{"functionName":"bench","functionVersion":"$LATEST","handler":"app.handler"}'
_TIMEOUT_MS = 60_000
# What an error before the first invocation is noted under.
_INIT = 0
RUNTIME, EXTENSION = RUNTIME_NEXT, EXTENSION_NEXT


class Invoked(NamedTuple):
    """One invocation: event given to response received; and response to the last /next."""

    latency_ms: float
    tail_ms: float


class InvocationError(Exception):
    """The function answered with an error; the message is its document."""


class LambdaApi(Server):
    """Context manager; serves on `address` (``127.0.0.1:port``) until it is left.

    Extensions that register from inside the runtime are counted as soon as they ask for an event.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._number = 0
        self._waiting: dict[int, str] = {}
        self._next_s = 0.0
        self._answered: dict[int, tuple[float, bool, bytes]] = {}
        self._registered_s = 0.0
        self._closed = False
        self._event = b"{}"

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

    def wait_registered(self, timeout_s: float) -> None:
        """Wait until an extension has registered.

        Raises:
            TimeoutError: none has.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._registered_s, timeout_s):
                raise TimeoutError(f"the extension did not register within {timeout_s:g} s")

    def wait_ready(self, who: set[str], timeout_s: float) -> float:
        """When (monotonic, s) all of `who` were waiting for an event.

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
        """As Lambda answers; None for who waits when it is over."""
        target, received_s, body = request
        if target in (RUNTIME, EXTENSION):
            return self._next(target, received_s)
        with self._changed:
            if target == REGISTER:
                self._registered_s = received_s
                self._changed.notify_all()
                return response(_REGISTERED, _IDENTIFIER)
            if target.endswith(("/response", "/error")):
                self._answered[self._number] = received_s, target.endswith("/response"), body
                self._changed.notify_all()
        return response(b'"OK"')

    def _next(self, target: str, received_s: float) -> bytes | None:
        thread = threading.get_ident()
        with self._changed:
            seen = self._number
            self._waiting[thread] = target
            self._next_s = received_s
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._number > seen)
            if self._closed:
                return None
            number, event = self._number, self._event
        if target == RUNTIME:
            return response(event, invocation_headers(number))
        deadline_unix_ms = int(time.time() * 1000) + _TIMEOUT_MS
        invoke = {
            "eventType": "INVOKE",
            "requestId": request_id(number),
            "deadlineMs": deadline_unix_ms,
            "invokedFunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:bench",
        }
        return response(json.dumps(invoke).encode(), _IDENTIFIER)
