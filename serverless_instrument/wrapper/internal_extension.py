"""Without the layer: a forwarder of the function's own, as an internal extension.

The runtime process registers an extension with the INVOKE event, which Lambda allows while it
initializes, starts the forwarder as a process beside it and hands it the identifier and one end of
a socket pair. The forwarder takes part in the lifecycle as the layer's does: it asks for its next
event after the end-of-invocation flush, and nothing is frozen before. There is no SHUTDOWN for it
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html).
"""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "serverless-instrument-internal"
_TIMEOUT_S = 5.0
_MANAGED_INSTANCES = "lambda-managed-instances"


class UnavailableError(Exception):
    """There is no forwarder and none can be started; the text says why."""


def start(environ: Mapping[str, str], path: str) -> _socket.socket:
    """Start a forwarder, which listens on `path`; our end of the connection to it.

    The path is this process's own: a forwarder of an earlier runtime may not have ended yet.

    Raises:
        UnavailableError: Lambda refused the extension, or no process could be started.
    """
    identifier = ""
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != _MANAGED_INSTANCES:
        # Managed Instances allow internal extensions no events; nothing is frozen there either.
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
    return ours


def _register(api: str) -> str:
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
    """Start the forwarder as nobody's child: a function that waits for its own finds none of ours.

    The shell ends at once, and the forwarder goes on under init.
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
