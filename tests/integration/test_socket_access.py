"""Who may speak to the forwarder: processes of its own user, and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serverless_instrument import wire
from tests.integration.emulator import ROOT, spans
from tests.integration.scenario import RECORDING
from tests.servers.relayed_backend import Backend, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration

NOBODY = 65534
START_TIMEOUT_S = 30.0

# Becomes user argv[2], connects to argv[1], sends its input, and says how it was treated.
CLIENT = """
import os, socket, sys
frames = sys.stdin.buffer.read()
if int(sys.argv[2]) != os.geteuid():
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
try:
    connection.connect(sys.argv[1])
    connection.sendall(frames)
    connection.shutdown(socket.SHUT_WR)
    print("answered" if connection.recv(1) else "closed")
except OSError as error:
    print(type(error).__name__)
"""


def frames(name: str) -> bytes:
    """What a runtime sends that has one finished span, called `name`."""
    item = wire.field(b"\x12", Span(name=name, span_id=b"12345678").SerializeToString())
    return wire.frame(wire.HELLO, wire.pack_hello(1, b"", b"")) + wire.frame(
        wire.SPANS, wire.pack_batch(b"", item, 1)
    )


def speak(socket_path: Path, uid: int, data: bytes) -> str:
    command = [sys.executable, "-c", CLIENT, str(socket_path), str(uid)]
    completed = subprocess.run(command, input=data, capture_output=True, check=True)
    return completed.stdout.decode().strip()


GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeros": bytes(100_000),
    "half a header": frames("cut")[:5],
    "half a frame": frames("cut")[:-1],
    "no HELLO first": wire.frame(wire.SPANS, wire.pack_batch(b"", b"", 0)),
    "the forwarder's own kind": frames("refused")[:-1] + b"\0" + wire.frame(wire.DEADLINE, b""),
    "another version": b"SI\xff\x01" + bytes(4),
    "4 GB announced": wire.frame(wire.HELLO, b"")[:4] + b"\xff" * 4,
    "a batch shorter than its scope": wire.frame(wire.HELLO, wire.pack_hello(1, b"", b""))
    + wire.frame(wire.SPANS, b"\0\0\0\1\xff\xff"),
}


@contextlib.asynccontextmanager
async def forwarder(socket_path: Path, backend: Backend) -> AsyncIterator[None]:
    """A real forwarder that is nobody's extension."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S"),
        str(ROOT / "serverless_instrument" / "forwarder" / "__main__.py"),
        env={
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
            "SERVERLESS_INSTRUMENT_SOCKET": str(socket_path),
        },
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def bound() -> None:
        while not socket_path.exists():
            await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(bound(), START_TIMEOUT_S)
        yield
    finally:
        process.kill()
        await process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        # Unlike pytest's own temporary directories, one that others may pass through.
        os.chmod(name, 0o755)
        refuses_another_user(Path(name) / "private" / "socket")


def refuses_another_user(socket_path: Path) -> None:

    async def scenario() -> list[str]:
        async with serve(RECORDING) as backend, forwarder(socket_path, backend):
            # The directory's mode alone keeps others out.
            outside = await asyncio.to_thread(
                speak, socket_path, NOBODY, frames("through the door")
            )
            assert outside == "PermissionError"
            # Even with every door open the peer's credentials do not lie.
            os.chmod(socket_path.parent, 0o755)
            os.chmod(socket_path, 0o666)
            opened = frames("all doors open")
            inside = await asyncio.to_thread(speak, socket_path, NOBODY, opened)
            assert inside in ("closed", "BrokenPipeError", "ConnectionResetError")
            # Sent last and delivered: what came before it would be there by now.
            own = await asyncio.to_thread(speak, socket_path, os.geteuid(), frames("own"))
            assert own == "closed"
            await asyncio.wait_for(backend.received(1), START_TIMEOUT_S)
            return [span.name for _, _, span in spans(backend.exports())]

    assert asyncio.run(scenario()) == ["own"]


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_ends_its_own_connection_only(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        survives(Path(name) / "private" / "socket", data)


def survives(socket_path: Path, data: bytes) -> None:
    async def scenario() -> list[str]:
        async with serve(RECORDING) as backend, forwarder(socket_path, backend):
            uid = os.geteuid()
            treatment = await asyncio.to_thread(speak, socket_path, uid, data)
            assert treatment in ("closed", "BrokenPipeError", "ConnectionResetError")
            await asyncio.to_thread(speak, socket_path, uid, frames("own"))
            await asyncio.wait_for(backend.received(1, "own"), START_TIMEOUT_S)
            return [span.name for _, _, span in spans(backend.exports())]

    assert asyncio.run(scenario())[-1] == "own"
