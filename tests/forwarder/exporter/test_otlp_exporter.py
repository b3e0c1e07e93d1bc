"""What became of an export: a poster and a backend on real sockets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.forwarder.destinations.settings import Settings
from serverless_instrument.forwarder.exporter.export import Export
from serverless_instrument.forwarder.exporter.otlp_exporter import OtlpExporter
from serverless_instrument.forwarder.exporter.otlp_http import DELIVERED, REJECTED, RETRY
from tests.forwarder.inputs.test_otlp_request import whole
from tests.servers import otlp_backend
from tests.servers.otlp_backend import OK, Gate, Last, Script, status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.forwarder.exporter.otlp_http import ExportResult
    from tests.servers.otlp_backend import OtlpBackend


@pytest.fixture
def backend() -> Iterator[OtlpBackend]:
    with otlp_backend.serving() as serving:
        yield serving


class Sender:
    """One poster that posts spans to `url`."""

    def __init__(self, url: str) -> None:
        self._destination = Settings({"OTEL_EXPORTER_OTLP_ENDPOINT": url}).destinations["traces"][0]
        self._exporter = OtlpExporter(self._destination)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._exporter.close()

    def post(self, name: str = "span", within_s: float = 30.0) -> ExportResult:
        export = Export("traces", whole("traces", name), 1)
        return self._exporter.post_export(self._destination, export, time.monotonic() + within_s)


@pytest.mark.parametrize(
    ("answer", "kind", "code", "unanswered"),
    [
        (OK, DELIVERED, 200, False),
        (status(400), REJECTED, 400, False),
        (status(413), REJECTED, 413, False),
        (status(503), RETRY, 503, False),
        # Nobody knows whether these were taken.
        (None, RETRY, 0, True),
        (Last(b""), RETRY, 0, True),
        (Last(b"HTTP/1.1 200 OK\r\n"), RETRY, 0, True),
        (Last(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), RETRY, 0, True),
        # The status is an answer, whatever comes of the rest.
        (Last(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), DELIVERED, 200, False),
        (Last(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n"), RETRY, 503, False),
    ],
)
def test_results(
    backend: OtlpBackend, answer: bytes | None, kind: str, code: int, *, unanswered: bool
) -> None:
    backend.respond = lambda _: answer
    with Sender(backend.url) as sender:
        result = sender.post()
    assert (result.kind, result.status, result.unanswered) == (kind, code, unanswered)
    assert len(backend.exports) == 1


def test_a_backend_that_is_not_there(backend: OtlpBackend) -> None:
    backend.close()
    result = Sender(backend.url).post()
    assert (result.kind, result.unanswered) == (RETRY, False)
    assert result.reason == "ConnectionRefusedError: Connection refused"


def test_a_backend_that_hangs(backend: OtlpBackend) -> None:
    backend.respond = gate = Gate()
    began_s = time.monotonic()
    result = Sender(backend.url).post(within_s=0.3)
    gate.open()
    assert time.monotonic() - began_s < 5
    assert (result.kind, result.unanswered) == (RETRY, True)


def test_no_time_left_sends_nothing(backend: OtlpBackend) -> None:
    assert Sender(backend.url).post(within_s=0.05).reason == "TimeoutError: no time left to try"
    assert backend.connections == 0


def test_a_kept_connection_that_is_closed_is_replaced_and_nothing_is_doubled(
    backend: OtlpBackend,
) -> None:
    with Sender(backend.url) as sender:
        for number in range(5):
            result = sender.post(f"span {number}")
            assert (result.kind, result.unanswered) == (DELIVERED, False)
            backend.close_connections()
    assert backend.names() == [f"span {number}" for number in range(5)]


def test_a_kept_connection_that_dies_under_the_request_is_replaced_once_and_marked(
    backend: OtlpBackend,
) -> None:
    with Sender(backend.url) as sender:
        sender.post("first")
        backend.respond = Script(None, OK)
        result = sender.post("second")
        assert (result.kind, result.unanswered) == (DELIVERED, True)
        assert backend.names() == ["first", "second", "second"]
        backend.respond = Script(None, None, OK)
        result = sender.post("third")
        assert (result.kind, result.unanswered) == (RETRY, True)
        assert sender.post("fourth").unanswered is False
        assert backend.names()[3:] == ["third", "third", "fourth"]
