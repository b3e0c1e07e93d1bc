"""Each HTTP client: one CLIENT span with the stable attributes, and the context propagated."""

from __future__ import annotations

import socket
from textwrap import dedent
from typing import NamedTuple

import pytest

from tests.servers.recording_server import RecordingServer, Request
from tests.wrapper.program import Outcome, Sent, children, run

CLIENT = 3
GET = {
    "urllib": """
        import urllib.error, urllib.request
        def get(url):
            try:
                return urllib.request.urlopen(url).status
            except urllib.error.HTTPError as error:
                return error.code
    """,
    "urllib3": """
        import urllib3
        pool = urllib3.PoolManager(retries=False)
        def get(url):
            return pool.request("GET", url).status
    """,
    "requests": """
        import requests
        def get(url):
            return requests.get(url).status_code
    """,
    "requests session": """
        import requests
        session = requests.Session()
        def get(url):
            return session.get(url).status_code
    """,
    "httpx": """
        import httpx
        def get(url):
            return httpx.get(url).status_code
    """,
    "httpx, async": """
        import asyncio, httpx
        async def getting(url):
            async with httpx.AsyncClient() as client:
                return (await client.get(url)).status_code
        def get(url):
            return asyncio.run(getting(url))
    """,
    "aiohttp": """
        import asyncio, aiohttp
        async def getting(url):
            async with aiohttp.ClientSession() as session:
                async with session.get(url) as response:
                    return response.status
        def get(url):
            return asyncio.run(getting(url))
    """,
}
HANDLER = """
    def handler(event, context):
        return get(event)
"""
LATE_HANDLER = """
    def handler(event, context):
        namespace = {}
        exec(SOURCE, namespace)
        return namespace["get"](event)
"""
each_client = pytest.mark.parametrize("client", GET)


def only_span(outcome: Outcome) -> Sent:
    (sent,) = outcome.spans
    assert children(outcome, outcome.invocation) == [sent.span.name]
    return sent


SECRETS = (
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
)


SECRET_QUERY = "&".join(f"{name}=secret{number}" for number, name in enumerate(SECRETS))
REDACTED_QUERY = "&".join(f"{name}=REDACTED" for name in SECRETS)
FINE, MISSING, BROKEN, SECRET, REFUSED = range(5)


class Calls(NamedTuple):
    """One call of each kind by one client in one process."""

    client: str
    outcome: Outcome
    requests: list[Request]
    port: int

    def of(self, kind: int) -> Sent:
        """The only span of a call, a child of its invocation."""
        assert len(self.outcome.invocations) == len(self.outcome.spans) == 5
        invocation, sent = self.outcome.invocations[kind], self.outcome.spans[kind]
        assert children(self.outcome, invocation) == ["GET"]
        assert sent.span.parent_span_id == invocation.span.span_id
        return sent


WAYS = {
    "imported at the top": "",
    "with the SDK": "import opentelemetry.sdk.trace",
    "imported in the handler": None,
}


# Each client in one way, and each way with some client; the rest is left to `scripts/test --all`.
COMBINATIONS = [
    pytest.param(
        (client, way),
        marks=() if number % len(WAYS) == place else pytest.mark.full,
        id=f"{client} {way}",
    )
    for number, client in enumerate(GET)
    for place, way in enumerate(WAYS)
]


@pytest.fixture(scope="module", params=COMBINATIONS)
def calls(request: pytest.FixtureRequest) -> Calls:
    client, way = request.param
    head = WAYS[way]
    source: tuple[str, ...] = (head or "", GET[client], HANDLER)
    if head is None:
        source = (f"SOURCE = {dedent(GET[client])!r}", LATE_HANDLER)
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/status/200"
    with RecordingServer() as server, closed:
        paths = ("200?a=1", "404", "500", f"200?first=1&{SECRET_QUERY}&last=2")
        urls = [f"{server.url}/status/{path}" for path in paths]
        outcome = run(source, [*urls, refusing])
    return Calls(client, outcome, server.requests, server.port)


def test_one_client_span_with_the_stable_attributes(calls: Calls) -> None:
    sent = calls.of(FINE)
    assert calls.outcome.results[FINE] == 200
    assert (sent.span.name, sent.span.kind, sent.span.status.code) == ("GET", CLIENT, 0)
    assert (
        sent.attributes.items()
        >= {
            "http.request.method": "GET",
            "url.full": f"http://127.0.0.1:{calls.port}/status/200?a=1",
            "server.address": "127.0.0.1",
            "server.port": calls.port,
            "http.response.status_code": 200,
        }.items()
    )
    # No attribute of the older conventions.
    assert not {"http.method", "http.url", "http.status_code", "net.peer.name"} & set(
        sent.attributes
    )


def test_the_server_sees_the_client_span_as_its_parent(calls: Calls) -> None:
    assert len(calls.requests) == 4
    for kind, request in enumerate(calls.requests):
        span = calls.of(kind).span
        version, trace_id, span_id, flags = request.headers["traceparent"].split("-")
        assert (version, trace_id, span_id) == ("00", span.trace_id.hex(), span.span_id.hex())
        assert int(flags, 16) & 1


@pytest.mark.parametrize(("kind", "status"), [(MISSING, 404), (BROKEN, 500)])
def test_from_400_up_a_response_is_an_error_of_the_client(
    calls: Calls, kind: int, status: int
) -> None:
    sent = calls.of(kind)
    assert calls.outcome.results[kind] == status
    assert sent.span.status.code == 2
    assert sent.attributes["http.response.status_code"] == status
    # urllib raises for these; the conventions allow the exception's type.
    assert sent.attributes["error.type"] in (str(status), "HTTPError")
    # The call has a response, so the invocation has no error.
    assert calls.outcome.invocations[kind].span.status.code == 0


def test_a_server_that_is_not_there(calls: Calls) -> None:
    sent = calls.of(REFUSED)
    assert str(calls.outcome.results[REFUSED]).startswith("{'raised'")
    assert sent.span.status.code == 2
    assert sent.attributes["error.type"]
    assert sent.attributes["server.address"] == "127.0.0.1"


def test_secrets_leave_for_the_server_only(calls: Calls) -> None:
    sent = calls.of(SECRET)
    assert sent.attributes["url.full"] == (
        f"http://127.0.0.1:{calls.port}/status/200?first=1&{REDACTED_QUERY}&last=2"
    )
    assert "secret" not in str(sent.span)
    assert SECRET_QUERY in calls.requests[SECRET].path


@pytest.mark.parametrize("client", ["requests", "httpx", "aiohttp"])
def test_user_information_is_redacted(client: str, server: RecordingServer) -> None:
    url = f"http://user:pass@127.0.0.1:{server.port}/status/200"
    sent = only_span(run((GET[client], HANDLER), [url]))
    assert sent.attributes["url.full"] == (
        f"http://REDACTED:REDACTED@127.0.0.1:{server.port}/status/200"
    )
    assert sent.attributes["server.address"] == "127.0.0.1"


@each_client
def test_disabled_by_name(client: str, server: RecordingServer) -> None:
    names = {"httpx, async": "httpx", "aiohttp": "aiohttp-client", "requests session": "requests"}
    # requests uses urllib3, whose span would appear instead.
    disabled = f" {names.get(client, client)} , other,urllib3"
    outcome = run(
        (GET[client], HANDLER),
        [f"{server.url}/status/200"],
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled,
    )
    assert (outcome.result, outcome.spans) == (200, [])
    (request,) = server.requests
    assert "traceparent" not in request.headers


@each_client
def test_all_disabled_nothing_of_opentelemetry_is_loaded(
    client: str, server: RecordingServer
) -> None:
    source = """
        import sys
        def handler(event, context):
            status = get(event)
            return status, [name for name in sys.modules if name.startswith("opentelemetry")]
    """
    outcome = run(
        (GET[client], source),
        [f"{server.url}/status/200"],
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
    )
    assert (outcome.result, outcome.spans) == ([200, []], [])


def test_requests_over_urllib3_is_one_span(server: RecordingServer) -> None:
    direct = GET["urllib3"].replace("def get", "def direct")
    source = """
        def handler(event, context):
            return [get(event), direct(event), get(event)]
    """
    outcome = run((direct, GET["requests"], source), [f"{server.url}/status/200"])
    scopes = [sent.scope.rpartition(".")[2] for sent in outcome.spans]
    assert scopes == ["requests", "urllib3", "requests"]


def test_an_instrumentation_that_is_not_installed_is_nothing(server: RecordingServer) -> None:
    source = """
        import importlib.machinery, sys
        class Hide(importlib.machinery.PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                if name == "opentelemetry.instrumentation.requests":
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(1, Hide)
    """
    outcome = run((source, GET["requests"], HANDLER), [f"{server.url}/status/200"])
    assert outcome.result == 200
    assert [sent.scope for sent in outcome.spans] == ["opentelemetry.instrumentation.urllib3"]


def test_conventions_of_the_users_choice_stand(server: RecordingServer) -> None:
    outcome = run(
        (GET["requests"], HANDLER),
        [f"{server.url}/status/200"],
        OTEL_SEMCONV_STABILITY_OPT_IN="http/dup",
    )
    attributes = only_span(outcome).attributes
    assert attributes["http.status_code"] == attributes["http.response.status_code"] == 200


def test_excluded_urls_of_the_environment(server: RecordingServer) -> None:
    outcome = run(
        (GET["requests"], HANDLER),
        [f"{server.url}/status/200"],
        OTEL_PYTHON_EXCLUDED_URLS="status",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="urllib3",
    )
    assert (outcome.result, outcome.spans) == (200, [])
