"""The forwarder as an internal extension, where the function has no layer.

While Lambda initializes the function, the runtime process may register an internal extension. It
registers one with the INVOKE event, starts the forwarder as a separate process and passes it the
extension's identifier and one end of a socket pair. The forwarder then asks for its next event
after the end-of-invocation flush, as the layer's does, and Lambda freezes nothing before that.
An internal extension gets no SHUTDOWN event
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html).
"""

from __future__ import annotations

import _socket
import os
import sys

from serverless_instrument.wrapper.own_descriptor import OwnSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.wrapper.channel import Channel

_NAME = "serverless-instrument-internal"
_TIMEOUT_S = 5.0
_MANAGED_INSTANCES = "lambda-managed-instances"


class UnavailableError(Exception):
    """No forwarder could be started; the message gives the reason."""


def start_for(channel: Channel, environ: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Start a forwarder and have `channel` use it; one call of `warn` where that fails."""
    # The path has this process's id: a forwarder of an earlier runtime may still be running.
    path = f"{channel.path}.{os.getpid()}"
    try:
        channel.adopt_connection(start(environ, path), path)
    except UnavailableError as error:
        warn(f"no forwarder, telemetry is discarded: {error}")


def start(environ: Mapping[str, str], path: str) -> OwnSocket:
    """Start a forwarder that listens on `path`; our end of the connection to it.

    Raises:
        UnavailableError: Lambda refused the extension, or no process could be started.
    """
    identifier = ""
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != _MANAGED_INSTANCES:
        # Managed Instances give internal extensions no events, and freeze nothing.
        identifier = _register(environ["AWS_LAMBDA_RUNTIME_API"])
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        os.set_inheritable(theirs.fileno(), True)
        _spawn(environ, path, identifier, theirs.fileno())
    except OSError as error:
        ours.close()
        raise UnavailableError(f"the forwarder did not start: {error}") from None
    finally:
        theirs.close()
    return OwnSocket(ours.detach())


def _register(api: str) -> str:
    """Register with the Extensions API at `api`, ``host:port``; the extension's identifier."""
    body = '{"events":["INVOKE"]}'
    request = (
        "POST /2020-01-01/extension/register HTTP/1.1\r\n"
        f"Host: {api}\r\nLambda-Extension-Name: {_NAME}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    answer = b""
    try:
        host, _, port = api.rpartition(":")
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            connection.settimeout(_TIMEOUT_S)
            connection.connect((host, int(port)))
            connection.sendall(request.encode())
            while b"\r\n\r\n" not in answer:
                data = connection.recv(65536)
                if not data:
                    break
                answer += data
        finally:
            connection.close()
    except (OSError, ValueError) as error:
        raise UnavailableError(f"no Extensions API at {api}: {error}") from None
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    for line in head[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "lambda-extension-identifier":
            return value.strip()
    raise UnavailableError(f"Lambda refused an internal extension: {head[0]}")


def _spawn(environ: Mapping[str, str], path: str, identifier: str, descriptor: int) -> None:
    """Start the forwarder through a shell that exits at once, so that init becomes its parent.

    A function that waits for its child processes must not find one of ours.
    """
    directory = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    main = os.path.join(directory, "forwarder", "__main__.py")
    environment = {
        **environ,
        "SERVERLESS_INSTRUMENT_SOCKET": path,
        "SERVERLESS_INSTRUMENT_EXTENSION_ID": identifier,
        "SERVERLESS_INSTRUMENT_SOCKET_FD": str(descriptor),
    }
    arguments = ["sh", "-c", '"$0" "$@" &', sys.executable, "-I", "-S", main]
    process = os.posix_spawn("/bin/sh", arguments, environment)
    os.waitpid(process, 0)
