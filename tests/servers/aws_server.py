"""AWS endpoints on loopback: moto's server, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from tests.servers.loopback import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_TIMEOUT_S = 60.0
_POLL_S = 0.05


@contextlib.contextmanager
def aws_server(output: Path) -> Iterator[str]:
    """``http://127.0.0.1:PORT``, a value for AWS_ENDPOINT_URL; what it prints goes to `output`."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, process, output)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    patience_end_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < patience_end_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5) as answer:
                json.load(answer)
                return
        except OSError:
            time.sleep(_POLL_S)
    raise AssertionError(f"moto did not start: {output.read_text(errors='replace')}")
