"""Peak memory of the forwarder when it has carried an invocation's telemetry to the end."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from serverless_instrument import wire
from start_cost.lambda_stub import EXTENSION_NEXT, LambdaStub
from start_cost.processes import kill, start

if TYPE_CHECKING:
    from start_cost.http_server import Request
    from start_cost.processes import Sandbox

_REQUEST_ID = "8f14e45f-ceea-467f-9c3b-6b1d0c5b7a21"
_SPANS = 100
# Of the size of an HTTP client span; what is in it does not matter, it is never parsed.
_SPAN = b"\x12\xac\x02" + bytes(range(1, 251)) + bytes(50)
_SCOPE = b"\x0a\x17\x0a\x15serverless-instrument"

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def peak_kib(pid: int) -> int:
    """Peak resident memory of a process's present program; ru_maxrss counts its parent's, too.

    https://docs.kernel.org/filesystems/proc.html
    """
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def peak_after_invocation_kib(sandbox: Sandbox, scratch: Path) -> int:
    """Peak after an invocation of 100 spans, flushed to a backend that refuses the connection.

    Raises:
        TimeoutError: the forwarder did not come back for its second event.
    """
    deadline_ms = int(time.time() * 1000) + 60_000
    event = {"eventType": "INVOKE", "requestId": _REQUEST_ID, "deadlineMs": deadline_ms}
    runtime = socket.socket(socket.AF_UNIX)
    path = sandbox.forwarder("").environ["SERVERLESS_INSTRUMENT_SOCKET"]

    sent: list[Request] = []

    def send_frames(request: Request) -> None:
        # In its first /next, which the stub answers after this: the forwarder knows of a runtime
        # when INVOKE comes, and so flushes before it asks again.
        if request.target == EXTENSION_NEXT and not sent:
            sent.append(request)
            runtime.connect(path)
            runtime.sendall(_frames(deadline_ms))

    with runtime, LambdaStub([json.dumps(event).encode()], send_frames) as stub:
        process = start(sandbox.forwarder(stub.address), scratch / "memory.txt")
        try:
            stub.wait_for(EXTENSION_NEXT, 60, count=2)
            return peak_kib(process.pid)
        finally:
            kill(process)


def _frames(deadline_ms: int) -> bytes:
    now_unix_ns = time.time_ns()

    def request(items: bytes, count: int) -> bytes:
        batch = wire.pack_batch(_SCOPE, items, count)
        return wire.pack_request(_REQUEST_ID, now_unix_ns, deadline_ms, batch)

    return b"".join(
        [
            wire.frame(wire.HELLO, wire.pack_hello(os.getpid(), b"", b"")),
            wire.frame(wire.START, request(_SPAN[3:], 1)),
            *[wire.frame(wire.SPANS, wire.pack_batch(_SCOPE, _SPAN, 1)) for _ in range(_SPANS)],
            wire.frame(wire.END, request(_SPAN, 1)),
        ]
    )
