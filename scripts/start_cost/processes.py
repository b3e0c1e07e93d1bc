"""The processes that are compared, each started as Lambda starts it."""

from __future__ import annotations

import contextlib
import os
import py_compile
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME_DIRECTORY = (
    Path(__file__).resolve().parents[2] / "serverless_instrument" / "local" / "runtime"
)

# Nobody accepts what a series of starts leaves behind.
_BACKLOG = 1024

HELLO_FUNCTION = 'def handler(event, context):\n    return "hello"\n'

# What a function does that uses AWS, before its first event. Credentials are in the environment, so
# that nobody is asked for them over the network.
AWS_FUNCTION = """\
import boto3

sqs = boto3.client("sqs")


def handler(event, context):
    return "hello"
"""

# Registers with the least an extension in Python can do; then waits, as an extension does.
BARE_EXTENSION = """\
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


class Subject(NamedTuple):
    """A command line, and the environment it runs in besides what the caller adds."""

    name: str
    command: list[str]
    environ: dict[str, str]


class Sandbox:
    """A function and a socket path, in `directory`, and a layer, for one series of starts.

    `opt` is an unpacked layer. The interpreter is the running one; awslambdaric must be installed
    for it.
    """

    def __init__(self, directory: Path, opt: Path) -> None:
        self.directory = directory
        self.opt = opt
        self.task = directory / "task"
        self.aws_task = directory / "aws-task"
        for task, source in ((self.task, HELLO_FUNCTION), (self.aws_task, AWS_FUNCTION)):
            task.mkdir()
            (task / "app.py").write_text(source)
            # Else the first that starts compiles it, which is dearer than most of what is compared.
            py_compile.compile(str(task / "app.py"), doraise=True)
        (directory / "bare.py").write_text(BARE_EXTENSION)
        self.runtime_socket = directory / "runtime.sock"

    def bare_runtime(self, address: str) -> Subject:
        """The real awslambdaric as the managed runtime starts it, no wrapper."""
        command = [sys.executable, str(RUNTIME_DIRECTORY / "bootstrap.py")]
        return Subject("bare runtime", command, self._runtime_environ(address))

    def our_runtime(self, address: str) -> Subject:
        """The same command line behind our exec wrapper, our package from the layer."""
        bare = self.bare_runtime(address)
        wrapper = str(self.opt / "serverless-instrument")
        return Subject("instrumented runtime", [wrapper, *bare.command], bare.environ)

    def our_runtime_without_layer(self, address: str) -> Subject:
        """The same where no forwarder listens: it starts one, as a pip-installed package does."""
        ours = self.our_runtime(address)
        nobody = str(self.directory / "nobody.sock")
        return ours._replace(environ={**ours.environ, "SERVERLESS_INSTRUMENT_SOCKET": nobody})

    def bare_aws_runtime(self, address: str) -> Subject:
        """The bare runtime with the function that makes a client of boto3's."""
        return self._with_aws(self.bare_runtime(address))

    def our_aws_runtime(self, address: str) -> Subject:
        """The same instrumented."""
        return self._with_aws(self.our_runtime(address))

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

    def _with_aws(self, subject: Subject) -> Subject:
        environ = {
            **subject.environ,
            "LAMBDA_TASK_ROOT": str(self.aws_task),
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        }
        return subject._replace(environ=environ)

    def bare_extension(self, address: str) -> Subject:
        """The floor: `python -I -S`, `_socket`, nothing else."""
        command = [sys.executable, "-I", "-S", str(self.directory / "bare.py"), address]
        return Subject("bare extension", command, self._extension_environ(address))

    def forwarder(self, address: str) -> Subject:
        """Our extension by its launcher in the layer."""
        command = [str(self.opt / "extensions" / "serverless-instrument")]
        return Subject("forwarder", command, self._extension_environ(address))

    def forwarder_directly(self, address: str, *options: str) -> Subject:
        """Our extension without its launcher; `options` go to the interpreter."""
        main = str(self.opt / "python" / "serverless_instrument" / "forwarder" / "__main__.py")
        command = [sys.executable, "-I", "-S", *options, main]
        return Subject("forwarder", command, self._extension_environ(address))

    def _runtime_environ(self, address: str) -> dict[str, str]:
        return {
            **self._shared_environ(address),
            "SERVERLESS_INSTRUMENT_SOCKET": str(self.runtime_socket),
            "_HANDLER": "app.handler",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
            "LAMBDA_TASK_ROOT": str(self.task),
            "LAMBDA_RUNTIME_DIR": str(RUNTIME_DIRECTORY),
            "SERVERLESS_INSTRUMENT_LOCAL_OPT": str(self.opt),
        }

    def _extension_environ(self, address: str) -> dict[str, str]:
        return {
            **self._shared_environ(address),
            "SERVERLESS_INSTRUMENT_LOCAL_PYTHON": sys.executable,
        }

    def _shared_environ(self, address: str) -> dict[str, str]:
        return {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": "start-cost",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/start-cost",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_REGION": "eu-central-1",
            "LANG": "en_US.UTF-8",
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            # A closed port: nothing is exported before the first invocation ends.
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "SERVERLESS_INSTRUMENT_SOCKET": str(self.directory / "run" / "forwarder.sock"),
        }


def unpack(layer: Path, opt: Path) -> None:
    """Unpack the zip `layer` at `opt`, modes included; `ZipFile.extractall` forgets them."""
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            path = archive.extract(entry, opt)
            if mode := entry.external_attr >> 16 & 0o777:
                os.chmod(path, mode)


def start(
    subject: Subject, output: Path, prefix: list[str] | None = None
) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, both its output streams going to the file `output`.

    `prefix` (such as valgrind's command line) goes before the interpreter: behind our wrapper,
    which is a shell, in front of everything else.
    """
    command = list(subject.command)
    position = command.index(sys.executable) if sys.executable in command else 0
    command[position:position] = prefix or []
    with output.open("wb") as file:
        return subprocess.Popen(
            command,
            env=subject.environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
