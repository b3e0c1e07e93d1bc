"""A small Extensions API on raw sockets, so that it can also misbehave.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html; refusals as AWS's
Runtime Interface Emulator words them.
"""

from __future__ import annotations

import contextlib
import json
import queue
import time
from typing import TYPE_CHECKING

from tests.servers.raw_http import WAIT_S, Request, Server, answer, read_request, reset

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

IDENTIFIER = "6ecf1bcb-9a4a-4b35-b4e2-4cc3ad2c3f1f"
# So that they are read one by one; nothing depends on it.
_BETWEEN_PIECES_S = 0.002
_REGISTER = ("POST", "/2020-01-01/extension/register")
_NEXT = ("GET", "/2020-01-01/extension/event/next")
_SUBSCRIBE = ("PUT", "/2022-07-01/telemetry")


def refusal(error_type: str) -> bytes:
    """A 403 with an error document."""
    return answer(403, {"errorMessage": "no", "errorType": error_type})


class ExtensionsApi(Server):
    """Answers register; holds each /next until the test has something to say.

    `on_register` and `on_subscribe` are called before the answers. That to register is
    `registration`, a good one if it is empty; `subscription` is by default that of an emulator,
    which has no telemetry.
    """

    def __init__(self) -> None:
        self.registered: list[Request] = []
        self.nexts: list[Request] = []
        self.registration = b""
        self.subscriptions: list[Request] = []
        self.subscription = answer(202, {"errorType": "Telemetry.NotSupported"})
        self.on_register: Callable[[], None] = lambda: None
        self.on_subscribe: Callable[[], None] = lambda: None
        self._answers: queue.SimpleQueue[tuple[bytes | None, ...]] = queue.SimpleQueue()
        super().__init__()
        self.address = f"127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket, _number: int) -> None:
        buffer = bytearray()
        while (request := read_request(connection, buffer)) is not None:
            if (request.method, request.path) == _REGISTER:
                self.on_register()
                self._note(self.registered, request)
                connection.sendall(self.registration or self._register(request))
            elif (request.method, request.path) == _NEXT:
                self._note(self.nexts, request)
                for said in self._next(request):
                    if said is None:
                        reset(connection)
                        return
                    connection.sendall(said)
                    time.sleep(_BETWEEN_PIECES_S)
            elif (request.method, request.path) == _SUBSCRIBE:
                self._note(self.subscriptions, request)
                self.on_subscribe()
                connection.sendall(self.subscription)
            else:
                connection.sendall(answer(404, {"errorMessage": request.path}))

    def _note(self, requests: list[Request], request: Request) -> None:
        with self.changed:
            requests.append(request)
            self.changed.notify_all()

    def _register(self, request: Request) -> bytes:
        name = request.headers.get("lambda-extension-name", "")
        if not name:
            return refusal("Extension.InvalidExtensionName")
        events = json.loads(request.body)["events"]
        if not set(events) <= {"INVOKE", "SHUTDOWN"}:
            return refusal("Extension.InvalidEventType")
        if len(self.registered) > 1:
            return refusal("Extension.InvalidExtensionState")
        function = {"functionName": "test_function", "functionVersion": "$LATEST", "handler": ""}
        return answer(200, function, {"Lambda-Extension-Identifier": IDENTIFIER})

    def _next(self, request: Request) -> tuple[bytes | None, ...]:
        if request.headers.get("lambda-extension-identifier") != IDENTIFIER:
            return (refusal("Extension.UnknownExtensionIdentifier"),)
        return self._answers.get()

    def say(self, *pieces: bytes | None) -> None:
        """Answer the next /next with these bytes; None resets the connection."""
        self._answers.put(pieces)

    def invoke(self, request_id: str, left_s: float = 60.0, deadline_ms: int = 0) -> None:
        """An INVOKE with a deadline `left_s` from now, or at `deadline_ms`."""
        event = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms or int((time.time() + left_s) * 1000),
            "requestId": request_id,
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:012345678912:function:test_function",
        }
        self.say(answer(200, event, {"Lambda-Extension-Event-Identifier": request_id}))

    def shut_down(self, left_s: float = 2.0, reason: str = "spindown") -> float:
        """SHUTDOWN with a deadline `left_s` from now; the deadline (monotonic)."""
        deadline_ms = int((time.time() + left_s) * 1000)
        event = {"eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason}
        deadline_s = time.monotonic() + left_s
        self.say(answer(200, event))
        return deadline_s

    def wait_for_subscription(self) -> Request:
        """The last request to the Telemetry API; it comes beside the one for /next."""
        self.wait(lambda: bool(self.subscriptions), "a subscription")
        return self.subscriptions[-1]

    def wait_for_next(self, count: int, timeout_s: float = WAIT_S) -> Request:
        """The `count`-th request for /next, counting from 1."""
        self.wait(lambda: len(self.nexts) >= count, f"/next number {count}", timeout_s)
        return self.nexts[count - 1]


@contextlib.contextmanager
def serving() -> Iterator[ExtensionsApi]:
    """An API that is closed in the end."""
    api = ExtensionsApi()
    try:
        yield api
    finally:
        for _ in range(8):  # whoever waits in /next
            api.say(None)
        api.close()
