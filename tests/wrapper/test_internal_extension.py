"""Registering the extension of a function without the layer, and what Lambda may answer.

With the forwarder that follows: tests/integration/test_pip_only.py.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.wrapper import internal_extension
from serverless_instrument.wrapper.internal_extension import UnavailableError, start

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = b'{"errorMessage":"no events allowed","errorType":"Extension.InvalidEventType"}'
TIMEOUT_S = 30


class Api:
    """Answers one connection with `answer`, in pieces, and keeps the request."""

    def __init__(self, *pieces: bytes) -> None:
        self.request = b""
        self._pieces = pieces
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(TIMEOUT_S)
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        connection = self._listening.accept()[0]
        with connection:
            connection.settimeout(TIMEOUT_S)
            while b"\r\n\r\n{" not in self.request or not self.request.endswith(b"}"):
                self.request += connection.recv(65536)
            for piece in self._pieces:
                connection.sendall(piece)

    def close(self) -> None:
        self._thread.join(TIMEOUT_S)
        self._listening.close()


@pytest.fixture
def refusing() -> Iterator[Api]:
    api = Api(b"HTTP/1.1 403 Forbid", b"den\r\nContent-Length: 0\r\n", b"\r\n" + REFUSED)
    yield api
    api.close()


def environ(api: str) -> dict[str, str]:
    return {"AWS_LAMBDA_RUNTIME_API": api}


def test_a_refusal_is_told_as_lambda_words_it(refusing: Api) -> None:
    with pytest.raises(
        UnavailableError, match=r"refused an internal extension: HTTP/1\.1 403 Forb"
    ):
        start(environ(refusing.address), "/nowhere")
    head, _, body = refusing.request.partition(b"\r\n\r\n")
    # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#extensions-registration-api-a
    assert head.startswith(b"POST /2020-01-01/extension/register HTTP/1.1\r\n")
    assert b"Lambda-Extension-Name: serverless-instrument-internal" in head
    # An internal extension may have no SHUTDOWN.
    assert body == b'{"events":["INVOKE"]}'


def test_an_answer_that_ends_early_is_a_refusal() -> None:
    api = Api(b"HTTP/1.1 200 OK\r\nLambda-Extension")
    try:
        with pytest.raises(UnavailableError, match="refused"):
            start(environ(api.address), "/nowhere")
    finally:
        api.close()


@pytest.mark.parametrize("api", ["127.0.0.1:9", "no port", "127.0.0.1:x", ""])
def test_no_api_is_told_in_one_line(api: str) -> None:
    with pytest.raises(UnavailableError, match=f"no Extensions API at {api}: ") as raised:
        start(environ(api), "/nowhere")
    assert "\n" not in str(raised.value)


def test_an_api_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internal_extension, "_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnavailableError, match=f"no Extensions API at {address}: timed out"):
            start(environ(address), "/nowhere")


def test_the_function_runs_without_it() -> None:
    from tests.wrapper.program import run

    outcome = run(
        "def handler(event, context): return 1\n",
        [{}, {}],
        log=None,
        SERVERLESS_INSTRUMENT_SOCKET="/tmp/of-nobody/forwarder.sock",
    )
    assert (outcome.results, outcome.invocations) == ([1, 1], [])
    (line,) = outcome.log
    assert line.startswith(
        "serverless-instrument: no forwarder, telemetry is discarded: "
        "no Extensions API at 127.0.0.1:9: "
    )
