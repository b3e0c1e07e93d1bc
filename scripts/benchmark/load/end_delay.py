"""What a flush strategy adds to an invocation, by rate: computed, and measured on the real process.

Added is the time from the end of the handler to the forwarder's request for /next: the environment
is busy and billed for so long. Computed: the pure strategy, a backend that takes 30 ms, Poisson
arrivals. Measured: the forwarder as a process, frozen between invocations, a backend on loopback.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery.flush_strategy import (
    DEFAULT_INTERVAL_MS,
    SEND,
    WAIT,
    FlushStrategy,
)
from tests.forwarder import encoded
from tests.forwarder.running import Runtime, World, world
from tests.servers import extensions_api

if TYPE_CHECKING:
    from tests.servers.extensions_api import ExtensionsApi

RATES_PER_MINUTE = (0.5, 2, 6, 30, 60, 600, 6000)
BACKEND_S = 0.030
HANDLER_S = 0.005
SIMULATED = 5_000
_RUNS_S = 0.02
_FLOOR_GAP_S = 0.1


def simulated_ms(kind: str, rate_per_minute: float) -> tuple[float, float]:
    """(mean added milliseconds, requests for each invocation)."""
    chance = random.Random(7)
    now_s, added_s, requests = 1_700_000_000.0, 0.0, 0
    strategy = FlushStrategy(kind, DEFAULT_INTERVAL_MS[kind], now_s)
    waits = False
    for _ in range(SIMULATED):
        now_s += max(chance.expovariate(rate_per_minute / 60), HANDLER_S)
        began_s = now_s
        left_s = 0.0
        if strategy.record_invocation(now_s):
            strategy.record_flush(now_s)
            requests += waits
            left_s = max(0.0, BACKEND_S - HANDLER_S) if waits else 0.0
            waits = False
        how = strategy.action_at_end()
        waits = True
        if how == SEND:
            strategy.record_flush(began_s + HANDLER_S)
            requests += 1
            added_s += BACKEND_S
            waits = False
        elif how == WAIT:
            added_s += left_s
    return added_s / SIMULATED * 1000, requests / SIMULATED


def measured_ms(kind: str, rate_per_s: float, count: int) -> list[float]:
    """Milliseconds from END to /next of `count` invocations after the first 20."""
    took_ms = []
    environ = {"SERVERLESS_INSTRUMENT_FLUSH": kind, "OTEL_METRICS_EXPORTER": "otlp"}
    with tempfile.TemporaryDirectory() as directory, world(Path(directory), None, environ) as parts:
        for number in range(20 + count):
            took_s = invoked_s(parts, f"span {number}")
            if number >= 20:
                took_ms.append(took_s * 1000)
            with parts.forwarder.frozen():
                time.sleep(1 / rate_per_s)
        parts.shut_down()
        assert len(parts.backend.names()) == 20 + count
    return took_ms


_BARE = """
import socket, sys
path, port, identifier = sys.argv[1], int(sys.argv[2]), sys.argv[3]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
api = socket.create_connection(("127.0.0.1", port))
next_event = "GET /2020-01-01/extension/event/next HTTP/1.1\\r\\nHost: x\\r\\n"
next_event += f"Lambda-Extension-Identifier: {identifier}\\r\\n\\r\\n"
api.sendall(next_event.encode())
runtime, _ = listener.accept()
while True:
    api.recv(65536)
    while bytes.fromhex(sys.argv[4]) not in runtime.recv(65536):
        pass
    api.sendall(next_event.encode())
"""


class Bare:
    """The least that an extension can do: hear END, ask for /next. What is over it is ours."""

    def __init__(self, api: ExtensionsApi, path: Path) -> None:
        end = wire.frame(wire.END, b"")[:4].hex()
        arguments = [str(path), str(api.port), extensions_api.IDENTIFIER, end]
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _BARE, *arguments])
        self.api = api
        api.wait_for_next(1)
        self.runtime = Runtime(path)

    def end(self) -> None:
        """End the process."""
        self.runtime.die()
        self._process.kill()
        self._process.wait()


def floor_ms(count: int) -> list[float]:
    """As `measured_ms`, of `Bare`."""
    with tempfile.TemporaryDirectory() as directory, extensions_api.serving() as api:
        bare = Bare(api, Path(directory) / "socket")
        try:
            took_ms = []
            for number in range(count):
                took_ms.append(invoked_s(bare, f"span {number}") * 1000)
                time.sleep(_FLOOR_GAP_S)
        finally:
            bare.end()
    return took_ms


def invoked_s(parts: World | Bare, name: str, frames: bytes = b"") -> float:
    """Seconds from END to /next of one invocation, with `frames` before its END."""
    count = len(parts.api.nexts)
    parts.api.invoke(name)
    parts.runtime.send(encoded.start(name, name))
    time.sleep(_RUNS_S)
    frame = encoded.end(name, name)
    ended_s = time.monotonic()
    parts.runtime.send(frames, frame)
    return parts.api.wait_for_next(count + 1).received_s - ended_s
