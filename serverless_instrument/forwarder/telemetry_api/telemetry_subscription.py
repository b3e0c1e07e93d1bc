"""The one call that subscribes to the Telemetry API; its answer is awaited by the event loop.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html. Only during init, and the
listener must be there before: it is sent between register and the first /next, and costs init one
connect.
"""

from __future__ import annotations

from serverless_instrument.forwarder.extensions_api import connect
from serverless_instrument.forwarder.http1 import BadMessageError, ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from serverless_instrument.forwarder.extensions_api import Registration

# Managed Instances accept only the newest, which older platforms do not know.
_SCHEMA_VERSIONS = ("2025-01-29", "2022-12-13")
_BUFFERING = '{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}'

# outcomes
PENDING, AGAIN, ACTIVE, ABSENT, REFUSED = "pending", "again", "active", "absent", "refused"


class TelemetrySubscription:
    """Asks to be sent `types` at `port`.

    Attributes:
        problem: why the platform will send nothing, "" where that need not be reported.
    """

    def __init__(self, registration: Registration, port: int, types: tuple[str, ...]) -> None:
        self._registration = registration
        self._port = port
        self._types = types
        self._versions = list(_SCHEMA_VERSIONS)
        self._parser = ResponseParser()
        self._connection: _socket.socket | None = None
        self.problem = ""

    def begin(self) -> int:
        """Send the request; the descriptor to watch, -1 where the API cannot be reached."""
        names = ",".join([f'"{name}"' for name in self._types])
        body = (
            f'{{"schemaVersion":"{self._versions.pop(0)}","types":[{names}],'
            f'"buffering":{_BUFFERING},"destination":{{"protocol":"HTTP",'
            f'"URI":"http://sandbox.localdomain:{self._port}"}}}}'
        )
        request = (
            "PUT /2022-07-01/telemetry HTTP/1.1\r\n"
            f"Host: {self._registration.api}\r\n"
            f"Lambda-Extension-Identifier: {self._registration.identifier}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._parser = ResponseParser()
        try:
            self._connection = connect(self._registration.api)
            self._connection.sendall(request.encode())
        except ConnectionError:
            self._end("")  # the environment is being shut down: nothing to report
            return -1
        except (OSError, ValueError, OverflowError) as error:
            self._end(f"cannot subscribe to telemetry: {error}")
            return -1
        self._connection.setblocking(False)
        return self._connection.fileno()

    def receive(self) -> str:
        """The outcome: `PENDING` while the answer is incomplete, `AGAIN` to `begin` once more."""
        try:
            if not self._read():
                return PENDING
        except ConnectionError:
            self._end("")  # as above
            return REFUSED
        except (OSError, BadMessageError) as error:
            self._end(f"subscribing to telemetry failed: {error}")
            return REFUSED
        status, said = self._parser.status, self._parser.body[:200].decode("utf-8", "replace")
        self._end("")
        if status == 200:
            return ACTIVE
        # The emulator, and SAM with it, answers so because it has no Telemetry API.
        if status == 202:
            return ABSENT
        if status == 400 and self._versions:
            return AGAIN
        one_line = " ".join(said.split())
        self.problem = f"telemetry subscription was refused with {status}: {one_line}"
        return REFUSED

    def _read(self) -> bool:
        assert self._connection is not None, "begin comes first"
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return False
        if data:
            self._parser.receive_data(data)
        elif self._parser.started:
            self._parser.end_of_stream()
        else:
            raise ConnectionResetError("closed without an answer")
        return self._parser.complete

    def _end(self, problem: str) -> None:
        self.problem = problem
        if self._connection is not None:
            self._connection.close()
            self._connection = None
