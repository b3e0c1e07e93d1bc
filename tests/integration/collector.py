"""A real OpenTelemetry collector: rotel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.servers.loopback import free_port, listening

if TYPE_CHECKING:
    from pathlib import Path

_STOP_TIMEOUT_S = 15.0


class Collector:
    """A rotel collector that exports to `onward`."""

    def __init__(self, binary: str, onward: str, scratch: Path) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._command = [
            *(binary, "start", "--pid-file", str(scratch / "collector-pid")),
            *("--otlp-http-endpoint", f"127.0.0.1:{self._port}"),
            *("--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}"),
            *("--exporter", "otlp", "--otlp-exporter-protocol", "http"),
            *("--otlp-exporter-endpoint", onward),
        ]

    async def start(self) -> None:
        """Start it and wait until it listens."""
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=quiet, stderr=quiet
        )
        await listening(self._port)

    async def stop(self) -> None:
        """End it; it sends on what it holds before it exits."""
        self._process.terminate()
        await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
