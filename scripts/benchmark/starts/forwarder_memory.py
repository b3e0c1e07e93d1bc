"""Peak memory of the forwarder when it has carried an invocation's telemetry to the end."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from benchmark.sandbox.lambda_api import EXTENSION_NEXT, LambdaApi, invoke_event, request_id
from benchmark.sandbox.process_cost import peak_kib
from benchmark.sandbox.processes import kill, start
from serverless_instrument import wire

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.sandbox.http_server import Request
    from benchmark.sandbox.subjects import Sandbox

_SPANS = 100
# Of the size of an HTTP client span; what is in it does not matter, it is never parsed.
_SPAN = b"\x12\xac\x02" + bytes(range(1, 251)) + bytes(50)
_SCOPE = b"\x0a\x17\x0a\x15serverless-instrument"
_TIMEOUT_MS = 60_000


def peak_after_invocation_kib(sandbox: Sandbox, scratch: Path) -> int:
    """Peak after an invocation of 100 spans, flushed to a backend that refuses the connection.

    Raises:
        TimeoutError: the forwarder did not come back for its second event.
    """
    runtime = socket.socket(socket.AF_UNIX)
    sent: list[Request] = []

    def send_frames(request: Request) -> None:
        # In its first /next, which the stub answers after this: the forwarder knows of a runtime
        # when INVOKE comes, and so flushes before it asks again.
        if request.target == EXTENSION_NEXT and not sent:
            sent.append(request)
            runtime.connect(str(sandbox.forwarder_socket))
            runtime.sendall(_frames())

    with runtime, LambdaApi(extension_events=[invoke_event(1)], on_request=send_frames) as api:
        process = start(sandbox.forwarder(api.address), scratch / "memory.txt")
        try:
            api.wait_for(EXTENSION_NEXT, 60, count=2)
            return peak_kib(process.pid)
        finally:
            kill(process)


def _frames() -> bytes:
    now_unix_ns = time.time_ns()
    deadline_unix_ms = now_unix_ns // 1_000_000 + _TIMEOUT_MS

    def request(items: bytes, count: int) -> bytes:
        batch = wire.pack_batch(_SCOPE, items, count)
        return wire.pack_request(request_id(1), now_unix_ns, deadline_unix_ms, batch)

    return b"".join(
        [
            wire.frame(wire.HELLO, wire.pack_hello(os.getpid(), b"", b"")),
            wire.frame(wire.START, request(_SPAN[3:], 1)),
            *[wire.frame(wire.SPANS, wire.pack_batch(_SCOPE, _SPAN, 1)) for _ in range(_SPANS)],
            wire.frame(wire.END, request(_SPAN, 1)),
        ]
    )
