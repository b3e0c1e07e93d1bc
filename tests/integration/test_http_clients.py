"""HTTP clients of the function: one CLIENT span each, with today's attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.integration.emulator import FUNCTIONS
from tests.integration.local_function import Run, Traced, run
from tests.servers.recording_server import RecordingServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

CLIENTS = ("urllib", "urllib3", "requests", "httpx", "httpx_async", "aiohttp")
SECRET = "/tea?X-Amz-Signature=c0ffee&colour=green"


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as started:
        yield started


class Function:
    """The function with the clients, behind the layer or without."""

    def __init__(self, layer: Path, python: str) -> None:
        self._layer, self._python = layer, python

    def __call__(self, handler: str, *events: object, bare: bool = False, **environ: str) -> Run:
        return run(
            f"http_clients.{handler}",
            FUNCTIONS / "clients",
            *events,
            layer=None if bare else self._layer,
            python=self._python,
            environ=environ,
        )


@pytest.fixture(scope="module")
def function(layer_zip: Path, clients_python: str) -> Function:
    return Function(layer_zip, clients_python)


def only_client_span(outcome: Run) -> Traced:
    (invocation,) = outcome.invocations()
    (client,) = outcome.children()
    assert client.is_child_of(invocation)
    assert client.span.kind == Span.SPAN_KIND_CLIENT
    return client


@pytest.mark.variants(3)
@pytest.mark.parametrize("client", CLIENTS)
def test_request_is_one_client_span(
    function: Function, server: RecordingServer, client: str
) -> None:
    outcome = function(f"uses_{client}", {"url": f"{server.url}{SECRET}"})
    assert outcome.answers == (200,)
    assert outcome.ours == []
    span = only_client_span(outcome)
    assert span.name == "GET"
    assert span.span.status == Status()
    found = span.attributes
    assert found["http.request.method"] == "GET"
    assert found["http.response.status_code"] == 200
    assert found["server.address"] == "127.0.0.1"
    assert found["server.port"] == server.port
    assert found["url.full"] == f"{server.url}/tea?X-Amz-Signature=REDACTED&colour=green"
    assert not {"http.method", "http.url", "http.status_code"} & found.keys()
    (request,) = server.requests
    assert request.path == SECRET  # what is sent is the function's own
    trace_id, span_id = span.span.trace_id.hex(), span.span.span_id.hex()
    version, seen_trace_id, seen_span_id, flags = request.headers["traceparent"].split("-")
    assert (version, seen_trace_id, seen_span_id) == ("00", trace_id, span_id)
    assert int(flags, 16) & 1


@pytest.mark.variants(3)
@pytest.mark.parametrize("client", CLIENTS)
def test_server_error_marks_the_span(
    function: Function, server: RecordingServer, client: str
) -> None:
    outcome = function(f"uses_{client}", {"url": f"{server.url}/status/503"})
    span = only_client_span(outcome)
    assert span.span.status.code == Status.STATUS_CODE_ERROR
    assert span.attributes["http.response.status_code"] == 503
    # urllib alone raises for such an answer.
    assert span.attributes["error.type"] == ("HTTPError" if client == "urllib" else "503")


def test_all_clients_in_one_invocation(function: Function, server: RecordingServer) -> None:
    outcome = function("uses_all", *({"url": server.url},) * 2)
    assert outcome.answers == ([200] * 6,) * 2
    first, second = outcome.invocations()
    for invocation in (first, second):
        spans = [span for span in outcome.children() if span.is_child_of(invocation)]
        assert [span.name for span in spans] == ["GET"] * 6
        assert len({span.scope for span in spans}) == 5  # httpx twice
    assert len(outcome.children()) == 12
    assert len(server.requests) == 12
    assert outcome.ours == []


@pytest.mark.parametrize(
    "call",
    ["urllib.request:urlopen", "requests:get", "httpx:get"],
)
def test_exception_is_the_clients_own(function: Function, call: str) -> None:
    event = {"url": "http://127.0.0.1:9/", "call": call}
    ours, bare = function("fails", event), function("fails", event, bare=True)
    assert ours.answers == bare.answers
    assert ours.answers[0] is not None
    span = only_client_span(ours)
    assert span.span.status.code == Status.STATUS_CODE_ERROR
    assert span.attributes["error.type"]


def test_import_alone_loads_no_instrumentation(function: Function) -> None:
    outcome = function("only_imports", {})
    assert outcome.answers == ([],)


def test_instrumentations_can_be_disabled(function: Function, server: RecordingServer) -> None:
    outcome = function(
        "uses_all",
        {"url": server.url},
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="urllib, requests",
    )
    scopes = {span.scope.rpartition(".")[2] for span in outcome.children()}
    # What requests does is urllib3's to tell then.
    assert scopes == {"urllib3", "httpx", "aiohttp_client"}
    assert len(outcome.children()) == 5


def test_older_conventions_where_asked_for(function: Function, server: RecordingServer) -> None:
    outcome = function(
        "uses_requests", {"url": server.url}, OTEL_SEMCONV_STABILITY_OPT_IN="http/dup"
    )
    found = only_client_span(outcome).attributes
    assert found["http.request.method"] == found["http.method"] == "GET"
