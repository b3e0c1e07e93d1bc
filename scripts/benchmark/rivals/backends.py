"""What the functions and the telemetry talk to: the sink, and moto's AWS endpoints."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_TIMEOUT_S = 60.0
_POLL_S = 0.05


class Sink(NamedTuple):
    """Where telemetry goes. `tls` and `ca` are "" where openssl is missing."""

    authority: str
    tls: str
    ca: str
    udp: str

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{self.authority}"

    def received(self) -> int:
        """How many requests and datagrams have come."""
        with urllib.request.urlopen(f"{self.url}/counts", timeout=10) as answer:
            counts = json.load(answer)
        return int(counts["requests"] + counts["datagrams"])

    def fill(self, value: str) -> str:
        """A contender's setting with the sink's addresses put in."""
        places = {
            "{http}": self.url,
            "{authority}": self.authority,
            "{tls}": self.tls,
            "{ca}": self.ca,
            "{udp}": self.udp,
        }
        for place, address in places.items():
            value = value.replace(place, address)
        return value


@contextlib.contextmanager
def sink(directory: Path) -> Iterator[Sink]:
    """A running sink; its certificate is made in `directory`."""
    pair = _certificate(directory)
    program = str(Path(__file__).with_name("sink.py"))
    command = [sys.executable, program, *(str(path) for path in pair)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ports = json.loads(process.stdout.readline())
            plain, udp = ports[0], ports[-1]
            tls = f"127.0.0.1:{ports[1]}" if pair else ""
            ca = str(pair[0]) if pair else ""
            yield Sink(f"127.0.0.1:{plain}", tls, ca, f"127.0.0.1:{udp}")
        finally:
            process.kill()


@contextlib.contextmanager
def aws(output: Path) -> Iterator[str]:
    """Moto's server: a value for AWS_ENDPOINT_URL.

    Raises:
        TimeoutError: it did not start; the message holds what it printed.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with output.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            _await(f"http://127.0.0.1:{port}", process, output)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _await(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    patience_end_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < patience_end_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5):
                return
        except OSError:
            time.sleep(_POLL_S)
    raise TimeoutError(f"moto did not start: {output.read_text(errors='replace')[-500:]}")


def _certificate(directory: Path) -> tuple[Path, ...]:
    openssl = shutil.which("openssl")
    if openssl is None:
        return ()
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
