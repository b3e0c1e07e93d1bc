"""The real process and answers that are cut off, quote secrets, or never come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.forwarder.running import world
from tests.servers.otlp_backend import OK, Last, Script, status

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp_backend import Export

pytestmark = pytest.mark.integration

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 900\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\nabc"


@pytest.mark.parametrize("answer", [HEAD, HEAD + b"\x0a", CHUNKED])
def test_a_success_whose_body_is_cut_off_is_not_sent_again(tmp_path: Path, answer: bytes) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Script(Last(answer), OK)
        for number in range(3):
            parts.invoke(f"span {number}")
        parts.shut_down()
        assert parts.backend.names() == [f"span {number}" for number in range(3)]
        assert parts.forwarder.lines() == []


def test_a_refusal_whose_body_is_cut_off_is_a_refusal(tmp_path: Path) -> None:
    cut = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 900\r\n\r\nbecause"
    with world(tmp_path) as parts:
        parts.backend.respond = Script(Last(cut), OK)
        parts.invoke("bad")
        parts.invoke("good")
        parts.shut_down()
        assert parts.backend.names() == ["bad", "good"]
        assert "1 traces items were refused: HTTP 400: because" in parts.forwarder.lines()[0]


def test_half_a_head_says_nothing_and_it_is_sent_again(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Script(Last(b"HTTP/1.1 200 OK\r\nContent-Le"), OK)
        parts.invoke("span")
        parts.forwarder.wait_for_line("out of reach")
        parts.shut_down()
        assert parts.backend.names() == ["span", "span"]


def test_a_success_whose_body_never_comes(tmp_path: Path) -> None:
    environ = {"OTEL_EXPORTER_OTLP_TIMEOUT": "400"}
    with world(tmp_path, environ=environ) as parts:
        parts.backend.respond = Script(HEAD, OK)
        assert parts.invoke("span 0") < 5
        parts.invoke("span 1")
        parts.shut_down()
        assert parts.backend.names() == ["span 0", "span 1"]
        assert parts.forwarder.lines() == []


def test_a_key_that_the_backend_quotes_is_not_in_the_log(tmp_path: Path) -> None:
    def quote(export: Export) -> bytes:
        headers = export.request.headers
        return status(403, body=f"no: {headers['authorization']} {headers['x-key']}".encode())

    environ = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20t0ken-of-mine,x-key=k3y-of-mine"
    }
    with world(tmp_path, environ=environ) as parts:
        parts.backend.respond = quote
        parts.invoke("span")
        line = parts.forwarder.wait_for_line("were refused")
        assert "HTTP 403: no: ... ..." in line
        parts.shut_down()
        assert "of-mine" not in "".join(parts.forwarder.lines())


def test_frozen_with_connections_that_are_reset_meanwhile(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        for number in range(10):
            parts.invoke(f"span {number}")
            with parts.forwarder.frozen():
                parts.backend.close_connections()
                time.sleep(0.01)
        parts.shut_down()
        assert parts.backend.names() == [f"span {number}" for number in range(10)]
        assert parts.forwarder.lines() == []
