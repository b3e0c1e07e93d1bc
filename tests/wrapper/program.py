"""Functions under test in processes of their own, as OpenTelemetry changes the one it is loaded in.

The forwarder's place is taken by a listening socket; what comes is decoded with the official
messages. A program that says anything on its own log without being expected to fails its test.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from serverless_instrument import wire, wire_payloads
from tests.wrapper import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_DRIVER = Path(__file__).with_name("driver.py")
_TIMEOUT_S = 100
_LAST = b"the last connection"


class Listener:
    """Reads all that comes over every connection, in a thread, until `finish`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._received: dict[int, bytearray] = {}
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(16)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listening, selectors.EVENT_READ)
        last = False
        while not last or len(selector.get_map()) > 1:
            for key, _ in selector.select():
                if key.fileobj is self._listening:
                    connection = self._listening.accept()[0]
                    number = len(self._received)
                    self._received[number] = bytearray()
                    selector.register(connection, selectors.EVENT_READ, number)
                    continue
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(1 << 20)
                self._received[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                last = last or self._received[key.data] == _LAST
        selector.close()

    def finish(self) -> list[bytes]:
        """What came over each connection, in the order in which they were made."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            connection.sendall(_LAST)
        self._thread.join(_TIMEOUT_S)
        assert not self._thread.is_alive(), "a connection is still open"
        self._listening.close()
        return [bytes(data) for data in self._received.values() if data != _LAST]


class Sent(NamedTuple):
    """A finished span as it arrived."""

    span: Span
    scope: str
    resource: dict[str, object]

    @property
    def attributes(self) -> dict[str, object]:
        return decoded.attributes(self.span.attributes)


class Outcome(NamedTuple):
    """What a program gave; `invocations` and `spans` in the order of their ends.

    `started` are the span ids of the invocations' START frames.
    """

    results: list[object]
    invocations: list[Sent]
    spans: list[Sent]
    started: list[bytes]
    log: list[str]
    metrics: list[Metric]

    @property
    def result(self) -> object:
        (result,) = self.results
        return result

    @property
    def invocation(self) -> Sent:
        (invocation,) = self.invocations
        return invocation

    def named(self, name: str) -> Sent:
        (found,) = [sent for sent in self.spans if sent.span.name == name]
        return found


def children(outcome: Outcome, parent: Sent) -> list[str]:
    """Names of the spans under `parent`, which share its trace."""
    return [
        sent.span.name
        for sent in outcome.spans
        if sent.span.parent_span_id == parent.span.span_id
        and sent.span.trace_id == parent.span.trace_id
    ]


def run(
    source: str | Sequence[str],
    events: Sequence[object] = ({},),
    *,
    log: Sequence[str] | None = (),
    files: Mapping[str, str] | None = None,
    wrapper: bool = True,
    **environ: str,
) -> Outcome:
    """Run the function of `source`, which defines ``handler``, once for each of `events`.

    `source` may come in parts, whose indentation counts for each.

    `log` is all that the process may say, None if that is for the test to look at; `files` are
    further files of the function by path. Without `wrapper` the function's own handler is called.
    """
    with tempfile.TemporaryDirectory(prefix="si-", dir="/tmp") as name:
        directory = Path(name)
        parts = [source] if isinstance(source, str) else source
        whole = "\n".join(dedent(part) for part in parts)
        for path, text in {**(files or {}), "app.py": whole}.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(dedent(text))
        shutil.copy(_DRIVER, directory / "main.py")
        (directory / "results.json").write_text(json.dumps(list(events)))
        listener = Listener(f"{directory}/s")
        completed = _completed(directory, wrapper, environ)
        received = listener.finish()
        results = json.loads((directory / "results.json").read_text())
    said = completed.stderr.splitlines()
    assert completed.returncode == 0, completed.stderr
    assert log is None or said == list(log), completed.stderr
    outcome = Outcome(results, [], [], [], said, [])
    for data in received:
        _sort(data, outcome)
    return outcome


def _completed(
    directory: Path, wrapper: bool, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AWS_"))
    }
    own = {
        "AWS_LAMBDA_FUNCTION_NAME": "shop",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        # Only its presence counts: the forwarder's socket is there already.
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
        "SERVERLESS_INSTRUMENT_SOCKET": f"{directory}/s",
    }
    if wrapper:
        own["SERVERLESS_INSTRUMENT_HANDLER"] = "app.handler"
    return subprocess.run(
        [sys.executable, "main.py", "results.json"],
        cwd=directory,
        env={**inherited, **own, **environ},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _sort(data: bytes, outcome: Outcome) -> None:
    resource: dict[str, object] = {}
    for kind, payload in decoded.frames(data):
        if kind == wire.HELLO:
            message = Resource.FromString(wire_payloads.unpack_hello(payload)[2])
            resource = decoded.attributes(message.attributes)
        elif kind == wire.START:
            _, item, count = wire_payloads.unpack_batch(wire_payloads.RequestPayload(payload).batch)
            outcome.started.extend([decoded.span(item).span_id] if count else [])
        elif kind == wire.METRICS:
            scope, items, count = wire_payloads.unpack_batch(payload)
            told_metrics = ScopeMetrics.FromString(scope + items).metrics
            assert len(told_metrics) == count
            outcome.metrics.extend(told_metrics)
        elif kind not in (wire.LOGS, wire.LINES, wire.TEXT, wire.RECORD, wire.DROPPED):
            batch = wire_payloads.RequestPayload(payload).batch if kind == wire.END else payload
            told = decoded.scope_spans(batch)
            into = outcome.invocations if kind == wire.END else outcome.spans
            into += [Sent(span, told.scope.name, resource) for span in told.spans]
