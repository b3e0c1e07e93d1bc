"""``/next`` and nothing else, for a forwarder that cannot start.

An extension that exits takes the environment with it, and one that does not ask for its next event
holds up every invocation
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html). Imported by its file's
name, it uses no other module of the package, whatever is wrong with them.
"""

from __future__ import annotations

import _socket
import posix
import sys
from time import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_NAME = "serverless-instrument"
_PAUSE_S = 0.2


def serve(error: Exception, made: dict[str, Any]) -> None:
    """Say `error` in one line, register if that has not been done, and exit 0 at SHUTDOWN.

    `made` may hold "listener" and "registration", an `extensions_api.Registration`.
    """
    registration = made.get("registration")
    if made.get("listener") is not None:
        made["listener"].close()  # for nobody reads what runtimes send
    text = " ".join(f"{type(error).__name__}: {error}".split())
    sys.stderr.write(f"serverless-instrument: no telemetry, the forwarder cannot start: {text}\n")
    sys.stderr.flush()
    _reset_signals()
    # An internal extension ends with its runtime: it gets no SHUTDOWN.
    is_internal = b"SERVERLESS_INSTRUMENT_SOCKET_FD" in posix.environ
    identifier = registration.identifier if registration is not None else ""
    if is_internal:
        identifier = _variable(b"SERVERLESS_INSTRUMENT_EXTENSION_ID")
    while not identifier and not is_internal:
        identifier = _registered()
    connection = registration.asked if registration is not None else None
    while identifier:
        answer = _next_event(identifier, connection)
        connection = None
        if b'"EVENTTYPE":"SHUTDOWN"' in answer.upper().replace(b" ", b""):
            break
        if not answer.startswith(b"HTTP/1.1 200"):
            if is_internal and not answer:
                break
            sleep(_PAUSE_S)
    posix._exit(0)


def _reset_signals() -> None:
    from _signal import (  # type: ignore[import-not-found] # what signal wraps; that imports enum
        SIG_DFL,
        SIGINT,
        SIGTERM,
        signal,
    )

    for number in (SIGINT, SIGTERM):
        signal(number, SIG_DFL)


def _variable(name: bytes) -> str:
    value = posix.environ.get(name, b"")
    return value.decode("utf-8", "replace")


def _registered() -> str:
    """Identifier of this extension; "" after a failure and a pause."""
    is_managed = _variable(b"AWS_LAMBDA_INITIALIZATION_TYPE") == "lambda-managed-instances"
    body = '{"events":["SHUTDOWN"]}' if is_managed else '{"events":["INVOKE","SHUTDOWN"]}'
    answer = _answer(
        "POST /2020-01-01/extension/register HTTP/1.1\r\n"
        f"Host: {_variable(b'AWS_LAMBDA_RUNTIME_API')}\r\nLambda-Extension-Name: {_NAME}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"lambda-extension-identifier":
            return value.strip().decode("latin-1")
    sleep(_PAUSE_S)
    return ""


def _next_event(identifier: str, asked: _socket.socket | None) -> bytes:
    """The answer to a request for the next event, to that of `asked` if it has sent one."""
    return _answer(
        "GET /2020-01-01/extension/event/next HTTP/1.1\r\n"
        f"Host: {_variable(b'AWS_LAMBDA_RUNTIME_API')}\r\n"
        f"Lambda-Extension-Identifier: {identifier}\r\n\r\n",
        asked,
    )


def _answer(request: str, connection: _socket.socket | None = None) -> bytes:
    """The answer to `request`, which `connection` has sent if there is one; b"" after a failure."""
    try:
        if connection is None:
            host, _, port = _variable(b"AWS_LAMBDA_RUNTIME_API").rpartition(":")
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            connection.connect((host or "127.0.0.1", int(port)))
            connection.sendall(request.encode())
        # It is awaited without a timeout: the environment may be frozen meanwhile.
        connection.setblocking(True)
        answer = b""
        while not _is_whole(answer):
            data = connection.recv(65536)
            if not data:
                break
            answer += data
        connection.close()
    except (OSError, ValueError, OverflowError):
        return b""
    return answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    return body.endswith(b"0\r\n\r\n")  # in chunks
