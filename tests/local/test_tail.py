"""``serverless-instrument tail`` as a process: what it shows, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.local.command_line import ROOT, command, environment, serverless_instrument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

pytestmark = pytest.mark.integration

TRACE_ID = bytes(range(16))
RESOURCE = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="shop"))])
_PATIENCE_S = 60


class Tail:
    """A running ``tail`` whose output is a pipe, or a pseudo-terminal."""

    def __init__(self, *arguments: str, terminal: bool = False) -> None:
        self._read_fd, write_fd = os.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            command("tail", "--port", "0", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=write_fd,
            stderr=subprocess.PIPE,
            env=environment(TERM="xterm-256color", COLUMNS="120", TZ="UTC"),
            cwd=ROOT,
        )
        os.close(write_fd)
        assert self.process.stderr is not None
        said = self.process.stderr.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, said + self.process.stderr.read().decode()
        self.port = int(found[1])
        self._text = b""

    def send(self, path: str, message: Message) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/x-protobuf"}
        connection.request("POST", path, message.SerializeToString(), headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def log(self, text: str, severity: int = 9, trace_id: bytes = TRACE_ID) -> None:
        request = ExportLogsServiceRequest()
        group = request.resource_logs.add(resource=RESOURCE)
        record = group.scope_logs.add().log_records.add(
            severity_number=SeverityNumber.ValueType(severity),
            body=AnyValue(string_value=text),
            trace_id=trace_id,
        )
        record.time_unix_nano = 1_787_227_200_123_000_000
        assert self.send("/v1/logs", request) == 200

    def span(self, name: str, *, failed: bool = False) -> None:
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add(resource=RESOURCE)
        span = group.scope_spans.add().spans.add(name=name, trace_id=TRACE_ID, span_id=b"12345678")
        span.kind = span.SPAN_KIND_SERVER
        span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 2_500_000
        if failed:
            span.status.code = span.status.STATUS_CODE_ERROR
        assert self.send("/v1/traces", request) == 200

    def wait_for(self, part: str) -> str:
        """Everything shown so far, once it holds `part`."""
        give_up_at_s = time.monotonic() + _PATIENCE_S
        while part.encode() not in self._text:
            assert time.monotonic() < give_up_at_s, (part, self._text)
            self._text += os.read(self._read_fd, 65536)
        return self._text.decode()

    def stop_reading(self) -> None:
        os.close(self._read_fd)
        self._read_fd = -1

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """(exit code, what else it said on stderr)."""
        self.process.send_signal(number)
        return self.exit()

    def exit(self) -> tuple[int, str]:
        assert self.process.stderr is not None
        said = self.process.stderr.read().decode()
        return self.process.wait(_PATIENCE_S), said

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        if self._read_fd >= 0:
            os.close(self._read_fd)


@contextlib.contextmanager
def tail(*arguments: str, terminal: bool = False) -> Iterator[Tail]:
    running = Tail(*arguments, terminal=terminal)
    try:
        yield running
    finally:
        running.close()


def test_a_pipe_gets_lines_at_once_and_no_colours() -> None:
    with tail() as running:
        running.log("An order came")
        shown = running.wait_for("An order came")
        assert shown == "12:00:00.123 info  shop An order came  00010203\n"
        running.log("it failed", 17)
        running.wait_for("error shop it failed")
        running.span("GET /cart")
        shown = running.wait_for("GET /cart")
        assert f"trace {TRACE_ID.hex()}  1 span  2.50 ms  shop\n" in shown
        assert "\x1b" not in shown
        assert running.end() == (130, "")


def test_a_terminal_gets_colours() -> None:
    with tail(terminal=True) as running:
        running.log("it failed", 17)
        assert "\x1b[31m" in running.wait_for("it failed")
        running.log("\x1b[2Jcleared?")
        assert "\x1b[2J" not in running.wait_for("cleared?")


def test_json_is_one_object_a_line() -> None:
    with tail("--json") as running:
        running.log("one\ntwo")
        running.span("GET /cart")
        log, span = map(json.loads, running.wait_for("GET /cart").splitlines())
        assert (log["signal"], log["body"]) == ("log", "one\ntwo")
        assert (span["signal"], span["traceId"]) == ("span", TRACE_ID.hex())
        assert running.end(signal.SIGTERM) == (143, "")


def test_filters() -> None:
    arguments = ("--function", "shop", "--level", "WARN", "--text", "order", "--trace", "0001")
    with tail("--json", *arguments) as running:
        running.log("order", 9)
        running.log("other", 13)
        running.log("order of another trace", 13, bytes(16))
        running.span("order")
        running.log("Order 7", 13)
        running.span("order", failed=True)
        log, span = map(json.loads, running.wait_for('"span"').splitlines())
        assert (log["body"], span["status"]["code"]) == ("Order 7", "ERROR")


def test_a_reader_that_leaves_ends_it_in_silence() -> None:
    with tail() as running:
        running.log("first")
        running.wait_for("first")
        running.stop_reading()
        running.log("second")
        assert running.exit() == (0, "")


def test_what_is_no_telemetry_is_refused_and_survived() -> None:
    with tail() as running:
        for path, body in (("/v1/logs", b"\xff\xff"), ("/v1/other", b""), ("/v1/traces", b"\x01")):
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
            headers = {"Content-Type": "application/x-protobuf"}
            connection.request("POST", path, body, headers)
            assert connection.getresponse().status in {400, 404}
            connection.close()
        running.log("still there")
        running.wait_for("still there")


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = serverless_instrument("tail", "--port", str(port))
    assert finished.returncode == 2
    assert finished.stderr == (
        f"serverless-instrument: --port {port}: cannot listen on 127.0.0.1: it is in use; "
        "give another\n"
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--port", "x"), "not a port"),
        (("--port", "65536"), "not a port"),
        (("--level", "loud"), "not a level"),
        (("--trace", "xyz"), "not a trace id"),
        (("--host", "no.such.host.invalid", "--port", "0"), "cannot listen on"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], part: str) -> None:
    finished = serverless_instrument("tail", *arguments)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert part in line
