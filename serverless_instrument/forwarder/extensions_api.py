"""Extensions API over a raw socket: register, and wait for the next event.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import _socket

from serverless_instrument.forwarder.http1 import BadResponseError, ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Lambda matches it with the file name in /opt/extensions.
EXTENSION_NAME = "serverless-instrument"

# Set by wrapper/internal_extension.py for the process that it starts.
_HANDED_IDENTIFIER = "SERVERLESS_INSTRUMENT_EXTENSION_ID"
_HANDED_DESCRIPTOR = "SERVERLESS_INSTRUMENT_SOCKET_FD"
_MANAGED_INSTANCES = "lambda-managed-instances"
# While Lambda still waits for its extensions: it gives init ten seconds.
_REGISTER_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
# The year 5138: what lies beyond is a defect.
_LATEST_DEADLINE_MS = 100_000_000_000_000


class Registration:
    """Outcome of the register call; `identifier` is "" where it failed, with the reason.

    `runtime_descriptor` is the connection to the runtime process that started this one, else -1.
    `asked` is the connection on which an event is awaited, if one is.
    """

    __slots__ = ("api", "asked", "identifier", "problem", "runtime_descriptor")

    def __init__(self, api: str, identifier: str, problem: str = "") -> None:
        self.api = api
        self.identifier = identifier
        self.problem = problem
        self.runtime_descriptor = -1
        self.asked: _socket.socket | None = None


class NextEvent:
    """An INVOKE or SHUTDOWN; `deadline_ms` is wall-clock milliseconds since the epoch, or 0.

    `arn` is the function's as it was invoked, `trace_header` X-Ray's; "" where there is none.
    """

    __slots__ = ("arn", "deadline_ms", "kind", "reason", "request_id", "trace_header")

    def __init__(
        self,
        kind: str,
        request_id: str,
        deadline_ms: int,
        reason: str,
        arn: str = "",
        trace_header: str = "",
    ) -> None:
        self.kind = kind
        self.request_id = request_id
        self.deadline_ms = deadline_ms
        self.reason = reason
        self.arn = arn
        self.trace_header = trace_header


def handed_over(api: str, environ: Mapping[str, str]) -> Registration | None:
    """The registration of a runtime process that started this forwarder itself, if one did.

    It is an internal extension then, for which there is no SHUTDOWN: it ends with that process.
    """
    if _HANDED_DESCRIPTOR not in environ:
        return None
    registration = Registration(api, environ.get(_HANDED_IDENTIFIER, ""))
    registration.runtime_descriptor = int(environ[_HANDED_DESCRIPTOR])
    return registration


def events_for(environ: Mapping[str, str]) -> str:
    """The events to register for, as a JSON array: Managed Instances refuse INVOKE."""
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == _MANAGED_INSTANCES:
        return '["SHUTDOWN"]'
    return '["INVOKE","SHUTDOWN"]'


def connect(api: str) -> _socket.socket:
    """A blocking connection to ``host:port``. Raises OSError, ValueError or OverflowError.

    `connect` resolves names itself; `getaddrinfo` would import the IDNA codec, and with it re and
    enum: 40 of 61 million instructions up to the register call.
    """
    host, _, port = api.rpartition(":")
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.connect((host or "127.0.0.1", int(port)))
    except BaseException:
        connection.close()
        raise
    return connection


def register(api: str, events: str) -> Registration:
    """Register as an external extension; blocks for the one round trip that init waits for.

    What may pass is tried again, for a second and a half in all. Never raises: a forwarder that
    exits takes the environment with it, so a failure is returned.
    """
    registration, may_pass = _try_to_register(api, events)
    for pause_s in _REGISTER_PAUSES_S:
        if not may_pass:
            break
        from time import sleep

        sleep(pause_s)
        registration, may_pass = _try_to_register(api, events)
    return registration


def _try_to_register(api: str, events: str) -> tuple[Registration, bool]:
    """The registration, and whether another try may succeed where this one has failed."""
    body = f'{{"events":{events}}}'
    request = (
        "POST /2020-01-01/extension/register HTTP/1.1\r\n"
        f"Host: {api}\r\n"
        f"Lambda-Extension-Name: {EXTENSION_NAME}\r\n"
        "Lambda-Extension-Accept-Feature: accountId\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    parser = ResponseParser()
    try:
        connection = connect(api)
        try:
            connection.sendall(request.encode())
            while not parser.complete:
                data = connection.recv(65536)
                if data:
                    parser.receive_data(data)
                else:
                    parser.end_of_stream()
        finally:
            connection.close()
    except (OSError, ValueError, OverflowError, BadResponseError) as error:
        # An answer that was cut off may have been a yes.
        may_pass = isinstance(error, OSError)
        return Registration(api, "", f"register failed: {error}"), may_pass
    identifier = parser.headers.get("lambda-extension-identifier", "")
    if parser.status != 200 or not identifier:
        text = parser.body[:200].decode("utf-8", "replace")
        problem = f"register was refused with {parser.status}: {text}"
        return Registration(api, "", problem), parser.status == 429 or parser.status >= 500
    return Registration(api, identifier), False


class NextPoll:
    """``GET /event/next``: asking also tells Lambda that this extension is done.

    The request is sent at once; the answer is awaited by the event loop, without a timeout, as the
    environment may be frozen meanwhile.
    """

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._parser = ResponseParser()
        self._connection: _socket.socket | None = None

    def prepare(self) -> None:
        """Load what reading an event needs, while there is none and descriptors are left."""
        from serverless_instrument.forwarder.codec import json_text  # noqa: F401 # loading is the point

    def begin(self) -> int:
        """Send the request; the descriptor to watch.

        Raises:
            OSError, ValueError, OverflowError: the API cannot be reached.
        """
        self._parser = ResponseParser()
        request = (
            "GET /2020-01-01/extension/event/next HTTP/1.1\r\n"
            f"Host: {self._registration.api}\r\n"
            f"Lambda-Extension-Identifier: {self._registration.identifier}\r\n\r\n"
        ).encode()
        if self._connection is not None and not self._is_idle(self._connection):
            self.close()
        if self._connection is None:
            self._connection = connect(self._registration.api)
        connection = self._connection
        connection.setblocking(True)
        connection.sendall(request)
        connection.setblocking(False)
        self._registration.asked = connection
        return connection.fileno()

    def _is_idle(self, connection: _socket.socket) -> bool:
        """Whether a kept connection is still open, without data that nobody asked for."""
        try:
            connection.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def receive(self) -> NextEvent | None:
        """The event, or None while it is incomplete.

        Raises:
            OSError, ValueError, BadResponseError: the connection or the answer is of no use.
        """
        connection = self._connection
        if connection is None:
            raise OSError("not connected")
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return None
        if data:
            self._parser.receive_data(data)
        else:
            self._parser.end_of_stream()
        if not self._parser.complete:
            return None
        self._registration.asked = None
        if not self._parser.keep_alive:
            self.close()
        if self._parser.status != 200:
            raise ValueError(f"next was answered with {self._parser.status}")
        return parse_event(self._parser.body.decode("utf-8", "replace"))

    def close(self) -> None:
        """Forget the connection; the next `begin` makes another."""
        self._registration.asked = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def parse_event(text: str) -> NextEvent:
    """The event of a ``/next`` body. Raises ValueError on anything but a JSON object."""
    from serverless_instrument.forwarder.codec.json_text import loads

    value = loads(text)
    if not isinstance(value, dict):
        raise ValueError("the event is not a JSON object")
    deadline_ms = value.get("deadlineMs")
    # No time at all is better than one that arithmetic chokes on; NaN fails the comparison.
    if not isinstance(deadline_ms, (int, float)) or not 0 < deadline_ms < _LATEST_DEADLINE_MS:
        deadline_ms = 0
    tracing = value.get("tracing")
    return NextEvent(
        str(value.get("eventType", "")).upper(),
        str(value.get("requestId", "")),
        int(deadline_ms),
        str(value.get("shutdownReason", "")),
        str(value.get("invokedFunctionArn", "")),
        str(tracing.get("value", "")) if isinstance(tracing, dict) else "",
    )
