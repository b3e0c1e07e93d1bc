"""The real process and two backends, one of which is in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.forwarder.running import world
from tests.servers import otlp_backend
from tests.servers.otlp_backend import Gate, status

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp_backend import OtlpBackend

pytestmark = pytest.mark.integration


def second(backend: OtlpBackend) -> dict[str, str]:
    return {
        "SERVERLESS_INSTRUMENT_DESTINATIONS": "second",
        "SERVERLESS_INSTRUMENT_DESTINATION_SECOND_ENDPOINT": backend.url,
        "SERVERLESS_INSTRUMENT_DESTINATION_SECOND_HEADERS": "api-key=of-the-second",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=of-the-first",
    }


def test_both_get_everything_once_and_only_their_own_headers(tmp_path: Path) -> None:
    with otlp_backend.serving() as other, world(tmp_path, environ=second(other)) as parts:
        for number in range(3):
            parts.invoke(f"span {number}")
        names = [f"span {number}" for number in range(3)]
        assert parts.backend.names() == names
        assert other.names() == names
        assert other.exports[0].request.headers["api-key"] == "of-the-second"
        assert parts.backend.exports[0].request.headers["api-key"] == "of-the-first"
        parts.shut_down()
        assert parts.forwarder.lines() == []


def test_one_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    with otlp_backend.serving() as other:
        other.respond = gate = Gate()
        try:
            with world(tmp_path, environ=second(other)) as parts:
                for number in range(5):
                    parts.invoke(f"span {number}")
                    parts.backend.wait_for(number + 1)
                parts.shut_down()
                assert parts.backend.names() == [f"span {number}" for number in range(5)]
        finally:
            gate.open()


def test_one_that_refuses_for_a_while_gets_it_later_and_the_other_once(tmp_path: Path) -> None:
    with otlp_backend.serving() as other:
        other.respond = lambda _: status(503)
        with world(tmp_path, environ=second(other)) as parts:
            for number in range(3):
                parts.invoke(f"span {number}")
            line = parts.forwarder.wait_for_line("out of reach")
            assert "traces (second) are kept: HTTP 503" in line
            refused = len(other.exports)
            other.respond = lambda _: otlp_backend.OK
            parts.shut_down()
            names = [f"span {number}" for number in range(3)]
            assert parts.backend.names() == names
            later = [
                name
                for export in other.exports[refused:]
                if export.signal == "traces"
                for name in export.names()
            ]
            assert sorted(later) == names
            assert parts.forwarder.lines() == [line]
