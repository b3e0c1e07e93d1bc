"""The real process, and other processes that export to it over OTLP/HTTP."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.forwarder.codec import protobuf
from tests.forwarder.inputs.test_otlp_request import post, whole
from tests.forwarder.running import eventually, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.forwarder.running import World

pytestmark = pytest.mark.integration

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def receiving(directory: Path) -> Iterator[tuple[World, int]]:
    port = free_port()
    environ = {"SERVERLESS_INSTRUMENT_RECEIVER": str(port), "OTEL_METRICS_EXPORTER": "otlp"}
    with world(directory, environ=environ) as parts:
        yield parts, port


def client_of(port: int) -> contextlib.closing[http.client.HTTPConnection]:
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30))


def test_every_signal_over_one_connection(tmp_path: Path) -> None:
    with receiving(tmp_path) as (parts, port), contextlib.ExitStack() as stack:
        client = stack.enter_context(client_of(port))
        for signal in ("traces", "logs", "metrics"):
            body = gzip.compress(whole(signal, f"their {signal}"))
            client.request("POST", f"/v1/{signal}", body, {**PROTOBUF, "Content-Encoding": "gzip"})
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            assert answer.headers["Content-Type"] == "application/x-protobuf"
        parts.invoke("ours")
        parts.shut_down()
        assert sorted(parts.backend.names()) == ["ours", "their traces"]
        # Joined into one request.
        assert [e.signal for e in parts.backend.exports].count("traces") == 1
        assert parts.backend.names("logs") == ["their logs"]
        assert "their metrics" in parts.backend.names("metrics")
        assert parts.forwarder.lines() == []


def test_what_is_refused_costs_nobody_else(tmp_path: Path) -> None:
    with receiving(tmp_path) as (parts, port), contextlib.ExitStack() as stack:
        client = stack.enter_context(client_of(port))
        client.request("POST", "/v1/traces", b"{}", {"Content-Type": "application/json"})
        answer = client.getresponse()
        assert answer.status == 415
        assert b"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in answer.read()
        client.request("POST", "/v1/traces", b"garbage", PROTOBUF)
        answer = client.getresponse()
        assert answer.status == 400
        # A google.rpc.Status: code = 1, message = 2.
        (code, message) = [value for _, _, value in protobuf.fields(answer.read())]
        assert code == 3
        assert isinstance(message, bytes)
        assert message.startswith(b"the body is no export request")
        client.request("POST", "/v1/traces", whole("traces", "good"), PROTOBUF)
        assert client.getresponse().status == 200
        parts.invoke("ours")
        assert sorted(parts.backend.names()) == ["good", "ours"]


def test_a_body_that_is_too_long_is_answered_before_it_has_come(tmp_path: Path) -> None:
    with receiving(tmp_path) as (parts, port), contextlib.ExitStack() as stack:
        client = stack.enter_context(client_of(port))
        client.request("POST", "/v1/traces", bytes(8_000_000), PROTOBUF)
        answer = client.getresponse()
        assert answer.status == 413
        assert answer.headers["Connection"] == "close"
        parts.invoke("ours")
        assert parts.backend.names() == ["ours"]
        assert parts.forwarder.peak_kib() < 24 * 1024


def test_many_connections_and_half_a_request(tmp_path: Path) -> None:
    with receiving(tmp_path) as (parts, port):
        parts.invoke("first")
        before = parts.forwarder.descriptors()
        with contextlib.ExitStack() as stack:
            for number in range(60):
                idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
                if number % 6 == 0:
                    idle.sendall(post(whole("traces", "never"))[: 20 + number])
            # Ten are busy and stay so; the oldest idle ones give way.
            client = stack.enter_context(client_of(port))
            client.request("POST", "/v1/traces", whole("traces", "among them"), PROTOBUF)
            assert client.getresponse().status == 200
            assert parts.forwarder.descriptors() <= before + 20
        eventually(lambda: parts.forwarder.descriptors() <= before, "all are closed")
        with client_of(port) as client:
            client.request("POST", "/v1/traces", whole("traces", "after"), PROTOBUF)
            assert client.getresponse().status == 200
        parts.invoke("ours")
        assert sorted(parts.backend.names()) == ["after", "among them", "first", "ours"]


def test_pipelined_and_in_pieces(tmp_path: Path) -> None:
    with receiving(tmp_path) as (parts, port):
        data = b"".join(post(whole("traces", f"span {number}")) for number in range(50))
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            for at in range(0, len(data), 701):
                client.sendall(data[at : at + 701])
            answers = b""
            while answers.count(b"HTTP/1.1 200 OK") < 50:
                answers += client.recv(65536)
        parts.invoke("ours")
        assert len(parts.backend.names()) == 51


@pytest.mark.skipif(shutil.which("curl") is None, reason="a client of another make")
def test_curl_with_expect_continue_and_chunks(tmp_path: Path) -> None:
    with receiving(tmp_path) as (parts, port):
        body = whole("traces", *[f"span {number}" for number in range(3000)])
        for extra in ("Expect: 100-continue", "Transfer-Encoding: chunked"):
            subprocess.run(
                [
                    *("curl", "-sSf", "--data-binary", "@-", "-H", extra),
                    *("-H", "Content-Type: application/x-protobuf"),
                    f"http://127.0.0.1:{port}/v1/traces",
                ],
                input=body,
                check=True,
                timeout=60,
            )
        parts.shut_down()
        assert len(parts.backend.names()) == 6000


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = {"SERVERLESS_INSTRUMENT_RECEIVER": str(port)}
        with world(tmp_path, environ=environ) as parts:
            parts.invoke("ours")
            assert parts.backend.names() == ["ours"]
            (line,) = parts.forwarder.lines()
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in line


def test_nothing_listens_unless_it_is_asked_for(tmp_path: Path) -> None:
    with world(tmp_path, environ={"SERVERLESS_INSTRUMENT_RECEIVER": "false"}) as parts:
        parts.invoke("ours")
        assert parts.forwarder.lines() == []
        inodes = {line.split()[9] for line in _tcp_listening()}
        descriptors = _sockets(parts.forwarder.pid)
        assert not inodes & descriptors


def _tcp_listening() -> list[str]:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[3] == "0A"]


def _sockets(pid: int) -> set[str]:
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return {link[8:-1] for link in links if link.startswith("socket:[")}
