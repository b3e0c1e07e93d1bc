"""The processes that are compared at a start: the bare ones and ours, each as Lambda starts it."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

from benchmark.sandbox import environ
from benchmark.sandbox.managed_python import managed_python
from benchmark.sandbox.processes import Subject, function_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Nobody accepts what a series of starts leaves behind.
_BACKLOG = 1024
# A closed port: nothing is exported before the first invocation ends.
_ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

# Registers with the least an extension in Python can do; then waits, as an extension does.
_BARE_EXTENSION = """\
import _socket, sys
host, port = sys.argv[1].split(":")
connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.connect((host, int(port)))
body = b'{"events":["INVOKE","SHUTDOWN"]}'
connection.send(
    b"POST /2020-01-01/extension/register HTTP/1.1\\r\\nHost: x\\r\\n"
    b"Lambda-Extension-Name: bare\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body)
)
connection.recv(65536)
connection.send(
    b"GET /2020-01-01/extension/event/next HTTP/1.1\\r\\nHost: x\\r\\n"
    b"Lambda-Extension-Identifier: x\\r\\n\\r\\n"
)
connection.recv(65536)
"""


class Sandbox:
    """A function and a socket path, in `directory`, and a layer, for one series of starts.

    `opt` is an unpacked layer. The interpreter is of the running version, with what the managed
    runtime has: a function's own OpenTelemetry would come before the layer's. Each subject is made
    for a Lambda API's address.
    """

    def __init__(self, directory: Path, opt: Path) -> None:
        self.directory = directory
        self.opt = opt
        self.python = managed_python()
        (directory / "bare.py").write_text(_BARE_EXTENSION)
        self.runtime_socket = directory / "runtime.sock"
        self.forwarder_socket = directory / "run" / "forwarder.sock"

    def bare_runtime(
        self, address: str, function: str = "hello", python: str | None = None
    ) -> Subject:
        """The real awslambdaric as the managed runtime starts it, no wrapper."""
        python = python or self.python
        command = [python, str(environ.RUNTIME_DIRECTORY / "bootstrap.py")]
        task = function_directory(function, self.directory)
        variables = environ.runtime(address, self.runtime_socket, task, self.opt, python)
        return Subject("bare runtime", command, {**variables, **_ENDPOINT})

    def our_runtime(
        self, address: str, function: str = "hello", python: str | None = None
    ) -> Subject:
        """The same command line behind our exec wrapper, our package from the layer."""
        bare = self.bare_runtime(address, function, python)
        wrapper = str(self.opt / "serverless-instrument")
        return Subject("instrumented runtime", [wrapper, *bare.command], bare.environ)

    def our_runtime_without_layer(self, address: str) -> Subject:
        """The same where no forwarder listens: it starts one, as a pip-installed package does."""
        ours = self.our_runtime(address)
        nobody = str(self.directory / "nobody.sock")
        return ours._replace(environ={**ours.environ, "SERVERLESS_INSTRUMENT_SOCKET": nobody})

    def bare_aws_runtime(self, address: str) -> Subject:
        """The bare runtime with the function that makes a client of boto3's."""
        return _with_credentials(self.bare_runtime(address, "boto"))

    def our_aws_runtime(self, address: str) -> Subject:
        """The same instrumented."""
        return _with_credentials(self.our_runtime(address, "boto"))

    def bare_aws_runtime_with_pip(self, address: str) -> Subject:
        """`bare_aws_runtime` on the running interpreter, with all that is installed for it."""
        return _with_credentials(self.bare_runtime(address, "boto", sys.executable))

    def our_aws_runtime_with_pip(self, address: str) -> Subject:
        """The same instrumented; OpenTelemetry and wrapt are the function's own, from pip."""
        return _with_credentials(self.our_runtime(address, "boto", sys.executable))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Somebody to connect to: Lambda starts the runtime once the layer's forwarder listens."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.runtime_socket))
            listener.listen(_BACKLOG)
            try:
                yield
            finally:
                self.runtime_socket.unlink()

    def bare_extension(self, address: str) -> Subject:
        """The floor: `python -I -S`, `_socket`, nothing else."""
        command = [self.python, "-I", "-S", str(self.directory / "bare.py"), address]
        return Subject("bare extension", command, self._extension_environ(address))

    def forwarder(self, address: str) -> Subject:
        """Our extension by its launcher in the layer."""
        command = [str(self.opt / "extensions" / "serverless-instrument")]
        return Subject("forwarder", command, self._extension_environ(address))

    def forwarder_directly(self, address: str) -> Subject:
        """Our extension without its launcher."""
        main = str(self.opt / "python" / "serverless_instrument" / "forwarder" / "__main__.py")
        command = [self.python, "-I", "-S", main]
        return Subject("forwarder", command, self._extension_environ(address))

    def _extension_environ(self, address: str) -> dict[str, str]:
        return {**environ.extension(address, self.forwarder_socket, self.python), **_ENDPOINT}


def _with_credentials(subject: Subject) -> Subject:
    return subject._replace(environ={**subject.environ, **environ.CREDENTIALS})
