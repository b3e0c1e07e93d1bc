"""A function under the real runtime client's loop, with us and without, and all that it writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs

from serverless_instrument import wire, wire_payloads
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake, digests_of_text
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
from tests.wrapper import decoded
from tests.wrapper.program import Listener

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_MAIN = Path(__file__).with_name("client_main.py")
_TIMEOUT_S = 100


class Line(NamedTuple):
    """A log record as it arrived."""

    record: LogRecord
    scope: str

    @property
    def body(self) -> object:
        return decoded.plain(self.record.body)

    @property
    def attributes(self) -> dict[str, object]:
        return decoded.attributes(self.record.attributes)


class Written(NamedTuple):
    """What a function's process wrote, and what came of it over the socket.

    `missed` are the lines, as a platform sees them, without a digest; `emf` those that may be of
    the embedded metric format.
    """

    stdout: bytes
    stderr: bytes
    framed: list[tuple[bytes, bytes]]
    code: int
    lines: list[Line]
    digests: list[tuple[str, bytes]]
    spans: list[Span]
    kinds: list[int]
    missed: list[bytes]
    emf: list[str]

    @property
    def bodies(self) -> list[object]:
        return [line.body for line in self.lines]

    def line(self, body: object) -> Line:
        (found,) = [line for line in self.lines if line.body == body]
        return found


class Arrived:
    """What frames of a process say, as the forwarder reads them."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.lines: list[Line] = []
        self.digests: list[tuple[str, bytes]] = []
        self.spans: list[Span] = []
        self.kinds: list[int] = []
        self.emf: list[str] = []
        self._batch = Batch()
        settings = LogSettings(environ, has_destination=True, takes_metrics=True)
        self._logs = LogIntake(
            settings, environ, self._batch, _fail, lambda line, *_: self.emf.append(line)
        )

    def add_frame(self, kind: int, payload: bytes) -> None:
        self.kinds.append(kind)
        if kind == wire.LOGS:
            scope, items, number = wire_payloads.unpack_batch(payload)
            message = ScopeLogs.FromString(scope + items)
            assert len(message.log_records) == number
            self.lines += [Line(record, message.scope.name) for record in message.log_records]
        elif kind in (wire.TEXT, wire.RECORD):
            captured = wire_payloads.TextPayload(kind, payload)
            if captured.bits & wire.ANNOUNCES:
                self._add_digests(captured.request_id, digests_of_text(captured))
            self.lines += self._read(captured)
        elif kind == wire.LINES:
            self._add_digests(*wire_payloads.unpack_lines(payload))
        elif kind == wire.END:
            self.spans += decoded.scope_spans(wire_payloads.RequestPayload(payload).batch).spans

    def _add_digests(self, request_id: str, found: bytes) -> None:
        self.digests += [(request_id, found[at : at + 8]) for at in range(0, len(found), 8)]

    def _read(self, captured: wire_payloads.TextPayload) -> list[Line]:
        self._logs.add_captured(captured, b"")
        return [
            Line(record, scope.scope.name)
            for export in self._batch.take_exports()
            for resource in ExportLogsServiceRequest.FromString(export.body).resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


def _fail(subject: str, text: str) -> None:
    assert not text, subject


def _take(known: Counter[bytes], digest: bytes) -> bool:
    known[digest] -= 1
    return known[digest] >= 0


def _physical_lines(stdout: bytes, stderr: bytes, framed: bytes) -> list[bytes]:
    """What a platform makes of the output: a line a record, and a frame one."""
    found = [line for data in (stdout, stderr) for line in data.split(b"\n") if line]
    return found + [text for _, text in frames_of(framed)]


def frames_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """(type, text) of each frame on the log descriptor; their times are left out."""
    found = []
    while data:
        end = 16 + int.from_bytes(data[4:8], "big")
        found.append((data[:4], data[16:end]))
        data = data[end:]
    return found


def run(
    source: str, *, instrumented: bool = True, framed: bool = False, count: int = 1, **environ: Any
) -> Written:
    """Invoke the function of `source` `count` times."""
    with tempfile.TemporaryDirectory(prefix="si-", dir="/tmp") as name:
        directory = Path(name)
        (directory / "app.py").write_text(dedent(source))
        shutil.copy(_MAIN, directory / "main.py")
        listener = Listener(f"{directory}/s")
        handler = "app.handler"
        environ = {"SERVERLESS_INSTRUMENT_SOCKET": f"{directory}/s", **environ}
        if instrumented:
            environ["SERVERLESS_INSTRUMENT_HANDLER"] = handler
            handler = "serverless_instrument.wrapper.bootstrap.handler"
        completed, text = _completed(directory, handler, count, environ, framed)
        received = listener.finish()
    arrived = Arrived(environ)
    for data in received:
        for kind, payload in decoded.frames(data):
            arrived.add_frame(kind, payload)
    own, shown = name.encode(), b"/function"
    known = Counter(found for _, found in arrived.digests)
    physical = _physical_lines(completed.stdout, completed.stderr, text)
    return Written(
        completed.stdout.replace(own, shown),
        completed.stderr.replace(own, shown),
        [(kind, told.replace(own, shown)) for kind, told in frames_of(text)],
        completed.returncode,
        arrived.lines,
        arrived.digests,
        arrived.spans,
        arrived.kinds,
        [line for line in physical if not _take(known, wire.line_digest(line))],
        arrived.emf,
    )


def _completed(
    directory: Path, handler: str, count: int, environ: dict[str, str], framed: bool
) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "AWS_", "SERVERLESS_"))
    }
    own |= {"AWS_LAMBDA_FUNCTION_NAME": "shop", "_HANDLER": handler, **environ}
    collected = bytearray()
    reader = threading.Thread()
    read, write = os.pipe()
    if framed:
        own["_LAMBDA_TELEMETRY_LOG_FD"] = str(write)
        reader = threading.Thread(target=_collect, args=(read, collected))
        reader.start()
    try:
        completed = subprocess.run(
            [sys.executable, "main.py", handler, str(count)],
            cwd=directory,
            env=own,
            capture_output=True,
            timeout=_TIMEOUT_S,
            pass_fds=[write] if framed else [],
            check=False,
        )
    finally:
        os.close(write)
        if framed:
            reader.join()
        os.close(read)
    return completed, bytes(collected)


def _collect(descriptor: int, into: bytearray) -> None:
    while data := os.read(descriptor, 1 << 16):
        into += data
