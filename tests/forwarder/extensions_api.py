"""A small Extensions API on raw sockets, so that it can also misbehave.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html; refusals as AWS's
Runtime Interface Emulator words them.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDENTIFIER = "6ecf1bcb-9a4a-4b35-b4e2-4cc3ad2c3f1f"
WAIT_S = 30.0
# So that they are read one by one; nothing depends on it.
_BETWEEN_PIECES_S = 0.002
_REGISTER = ("POST", "/2020-01-01/extension/register")
_NEXT = ("GET", "/2020-01-01/extension/event/next")
_SUBSCRIBE = ("PUT", "/2022-07-01/telemetry")


class Request(NamedTuple):
    """One request and when its head was complete (monotonic)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    received_s: float


def answer(status: int, document: object, headers: dict[str, str] | None = None) -> bytes:
    """A JSON response."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} x", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def refusal(error_type: str) -> bytes:
    """A 403 with an error document."""
    return answer(403, {"errorMessage": "no", "errorType": error_type})


def read_request(connection: socket.socket, buffer: bytearray) -> Request | None:
    """The next request on a connection, None at its end; `buffer` keeps what is left over."""
    while b"\r\n\r\n" not in buffer:
        data = connection.recv(65536)
        if not data:
            return None
        buffer += data
    received_s = time.monotonic()
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    length = int(headers.get("content-length", "0"))
    while len(rest) < length:
        data = connection.recv(65536)
        if not data:
            return None
        rest += data
    buffer[:] = rest[length:]
    return Request(method, path, headers, rest[:length], received_s)


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Server:
    """Accepts connections on loopback, each served in a thread of its own."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self._open.add(connection)
            arguments = (connection, self.connections)
            threading.Thread(target=self._guarded, args=arguments, daemon=True).start()

    def _guarded(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.serve(connection, number)
        with self.changed:
            self._open.discard(connection)
        connection.close()

    def serve(self, connection: socket.socket, number: int) -> None:
        """Talk on connection `number`."""
        raise NotImplementedError

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
        """Wait until `condition` holds."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                raise AssertionError(f"{what}: not within {timeout_s} s")

    def close_connections(self) -> None:
        """Close every connection that is open, as a peer does with idle ones."""
        with self.changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Refuse connections from now on, and close those that there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()


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
