"""The real forwarder as a process, and runtimes that speak to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import serverless_instrument
from tests.forwarder import encoded
from tests.servers import extensions_api, otlp_backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from tests.servers.extensions_api import ExtensionsApi
    from tests.servers.otlp_backend import OtlpBackend

MAIN = Path(serverless_instrument.__file__).parent / "forwarder" / "__main__.py"
WAIT_S = 60.0
_POLL_S = 0.005


def eventually(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait until `condition` holds."""
    give_up_at_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at_s:
            raise AssertionError(f"{what}: not within {timeout_s} s")
        time.sleep(_POLL_S)


_SWITCHES = re.compile(r"^voluntary_ctxt_switches:\t(\d+)", re.MULTILINE)


class Runtime:
    """One runtime process's connection to the forwarder."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))

    def send(self, *frames: bytes) -> None:
        """Write frames, or anything else."""
        self.socket.sendall(b"".join(frames))

    def heard(self) -> bool:
        """Whether the forwarder has read everything; https://man7.org/linux/man-pages/man7/unix.7.html."""
        unread = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))
        return not any(unread)

    def die(self) -> None:
        """What the kernel does with the connection of a process that ends."""
        self.socket.close()

    def ended_by_the_forwarder(self) -> bool:
        """Whether the forwarder closes this connection within a while."""
        self.socket.settimeout(WAIT_S)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


class Forwarder:
    """``python -I -S forwarder/__main__.py`` in an environment of its own.

    `nofile` limits its descriptors; `main` is another copy's.
    """

    def __init__(
        self,
        directory: Path,
        address: str,
        environ: dict[str, str],
        nofile: int | None = None,
        main: Path | None = None,
    ) -> None:
        self.socket_path = directory / "run" / "forwarder.sock"
        self._stderr = directory / "stderr.txt"
        self._runtimes: list[Runtime] = []
        # A builtin of the shell; preexec_fn is not safe where there are threads.
        limit = ["sh", "-c", f'ulimit -n {nofile}; exec "$@"', "sh"] if nofile else []
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*limit, sys.executable, "-I", "-S", str(main or MAIN)],
                env={
                    "AWS_LAMBDA_RUNTIME_API": address,
                    "SERVERLESS_INSTRUMENT_SOCKET": str(self.socket_path),
                    **environ,
                },
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        self.pid = self.process.pid

    def switches(self) -> int:
        """How often its threads have run and gone to sleep again (proc_pid_status(5))."""
        texts = [path.read_text() for path in Path(f"/proc/{self.pid}/task").glob("*/status")]
        return sum(int(found) for text in texts for found in _SWITCHES.findall(text))

    def wait_idle(self) -> None:
        """Wait until none of its threads has run for a while."""

        def rests() -> bool:
            before = self.switches()
            time.sleep(0.1)
            return self.switches() == before

        eventually(rests, "the forwarder is idle")

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for runtime in self._runtimes:
            runtime.die()
        self.process.kill()
        self.process.wait(WAIT_S)

    def connect(self, *frames: bytes) -> Runtime:
        """A runtime's connection that has said HELLO, and `frames` after it."""
        return self.connect_silently(encoded.hello(), *frames)

    def connect_silently(self, *frames: bytes) -> Runtime:
        """A connection on which only `frames` are sent."""
        runtime = Runtime(self.socket_path)
        self._runtimes.append(runtime)
        runtime.send(*frames)
        return runtime

    def lines(self) -> list[str]:
        """What it has written to stdout and stderr."""
        return self._stderr.read_text().splitlines()

    def wait_for_line(self, part: str) -> str:
        """The first line that holds `part`."""
        eventually(lambda: any(part in line for line in self.lines()), f"a line with {part!r}")
        return next(line for line in self.lines() if part in line)

    def exit_status(self, timeout_s: float = WAIT_S) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(timeout_s)

    def cpu_s(self) -> float:
        """CPU seconds that it has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_kib(self) -> int:
        """Its peak resident memory so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise AssertionError("no VmHWM")

    def descriptors(self) -> int:
        """Open descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped, as Lambda does between invocations."""
        os.kill(self.pid, signal.SIGSTOP)
        eventually(lambda: self._state() == "T", "the process stops")
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]


class World:
    """An Extensions API, a backend, and a forwarder between them that has asked for /next once."""

    def __init__(
        self, api: ExtensionsApi, backend: OtlpBackend, forwarder: Forwarder, runtime: Runtime
    ) -> None:
        self.api = api
        self.backend = backend
        self.forwarder = forwarder
        self.runtime = runtime
        self._invocations = 0

    def invoke(self, name: str, *, left_s: float = 60.0) -> float:
        """One invocation whose span is `name`, up to /next; seconds from END to /next."""
        self._invocations += 1
        request_id, count = f"request-{self._invocations}", len(self.api.nexts)
        self.api.invoke(request_id, left_s)
        self.runtime.send(encoded.start(request_id, name))
        ended_s = time.monotonic()
        self.runtime.send(encoded.end(request_id, name))
        return self.api.wait_for_next(count + 1).received_s - ended_s

    def shut_down(self, left_s: float = 2.0) -> float:
        """SHUTDOWN; it must end with 0. Seconds left to its deadline then."""
        deadline_s = self.api.shut_down(left_s)
        assert self.forwarder.exit_status() == 0
        return deadline_s - time.monotonic()


@contextlib.contextmanager
def world(
    directory: Path,
    backend: OtlpBackend | None = None,
    environ: dict[str, str] | None = None,
    nofile: int | None = None,
    subscription: bytes | None = None,
) -> Iterator[World]:
    """All parts, one runtime connected; `environ` on top of the backend's endpoint.

    `subscription` is what the Telemetry API answers.
    """
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(extensions_api.serving())
        api.subscription = subscription or api.subscription
        backend = backend or stack.enter_context(otlp_backend.serving())
        # What the forwarder itself measures would come between; test_process_metrics.py has it.
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url, "OTEL_METRICS_EXPORTER": "none"}
        forwarder = stack.enter_context(
            Forwarder(directory, api.address, {**endpoint, **(environ or {})}, nofile)
        )
        api.wait_for_next(1)
        yield World(api, backend, forwarder, forwarder.connect())
