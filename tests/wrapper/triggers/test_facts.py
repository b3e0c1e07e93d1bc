"""What each documented HTTP event says of itself, in full."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.triggers import http_api_v2, registry, rest_v1
from serverless_instrument.wrapper.triggers.carriers import http_headers
from tests.wrapper.triggers import events

EXPECTED: dict[str, tuple[str, dict[str, object]]] = {
    "http_api_v2": (
        "GET /items/{id}",
        {
            "http.request.method": "GET",
            "http.route": "/items/{id}",
            "url.path": "/items/42",
            "url.query": "size=L&colour=dark%20red&colour=blue",
            "url.scheme": "https",
            "server.address": "abc123.execute-api.eu-central-1.amazonaws.com",
            "server.port": 443,
            "client.address": "203.0.113.7",
            "user_agent.original": "curl/8.5.0",
            "network.protocol.version": "1.1",
        },
    ),
    "http_api_v2_default_route": (
        "POST",
        {
            "http.request.method": "POST",
            "url.path": "/dev/anything/at/all",
            "url.scheme": "https",
            "server.address": "api.example.com",
            "server.port": 443,
            "client.address": "2001:db8::1",
            "user_agent.original": "Mozilla/5.0",
            "network.protocol.version": "1.1",
        },
    ),
    "rest_v1": (
        "POST /items/{id}",
        {
            "http.request.method": "POST",
            "http.route": "/items/{id}",
            "url.path": "/prod/items/42",
            "url.query": "size=L&colour=dark%20red&colour=blue",
            "url.scheme": "https",
            "server.address": "1234567890.execute-api.us-east-1.amazonaws.com",
            "server.port": 443,
            "client.address": "203.0.113.7",
            "user_agent.original": "Custom User Agent String",
            "network.protocol.version": "1.1",
        },
    ),
    "rest_v1_test_console": (
        "GET /{proxy+}",
        {
            "http.request.method": "GET",
            "http.route": "/{proxy+}",
            "url.path": "/{proxy+}",
            "url.scheme": "https",
            "server.address": "testPrefix.testDomainName",
            "client.address": "test-invoke-source-ip",
            "user_agent.original": "aws-internal/3",
            "network.protocol.version": "1.1",
        },
    ),
    "http_api_v1": (
        "GET /my/{path}",
        {
            "http.request.method": "GET",
            "http.route": "/my/{path}",
            "url.path": "/my/path",
            "url.query": "parameter1=value1&parameter1=value2&parameter2=value",
            "url.scheme": "https",
            "server.address": "id.execute-api.us-east-1.amazonaws.com",
            "server.port": 443,
            "client.address": "203.0.113.7",
            "user_agent.original": "curl/8.5.0",
            "network.protocol.version": "1.1",
        },
    ),
    "alb": (
        "GET",
        {
            "http.request.method": "GET",
            "url.path": "/lambda",
            "url.query": "query=1234ABCD&q=dark%20red",
            "url.scheme": "http",
            "server.address": "lambda-alb-123578498.us-east-2.elb.amazonaws.com",
            "server.port": 80,
            "client.address": "72.12.164.125",
            "user_agent.original": "Mozilla/5.0",
        },
    ),
    "alb_multi_value": (
        "POST",
        {
            "http.request.method": "POST",
            "url.path": "/lambda",
            "url.query": "k=a&k=b%26c",
            "url.scheme": "https",
            "server.address": "shop.example.com",
            "server.port": 443,
            "client.address": "72.12.164.125",
            "user_agent.original": "Mozilla/5.0",
        },
    ),
    "alb_health_check": (
        "GET",
        {
            "http.request.method": "GET",
            "url.path": "/",
            "url.scheme": "https",
            "user_agent.original": "ELB-HealthChecker/2.0",
        },
    ),
    "function_url": (
        "POST",
        {
            "http.request.method": "POST",
            "url.path": "/my/path",
            "url.query": "parameter1=value1&parameter1=value2&parameter2=value",
            "url.scheme": "https",
            "server.address": "abcdefg.lambda-url.us-west-2.on.aws",
            "server.port": 443,
            "client.address": "203.0.113.7",
            "user_agent.original": "agent",
            "network.protocol.version": "1.1",
        },
    ),
}


def test_every_http_event_has_its_row() -> None:
    assert set(EXPECTED) == set(events.CLAIMED_BY)


@pytest.mark.parametrize("name", EXPECTED)
def test_facts(name: str) -> None:
    event = events.load(name)
    facts = registry.select(event).facts(event, events.KNOWN_METHODS)
    assert (facts.name, facts.attributes) == EXPECTED[name]
    assert facts.trigger == "http"


@pytest.mark.parametrize("name", ["http_api_v2", "alb_multi_value"])
def test_the_carrier_holds_the_trace_context(name: str) -> None:
    event = events.load(name)
    carrier = registry.select(event).facts(event, events.KNOWN_METHODS).carrier
    assert carrier["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")


@pytest.mark.parametrize(
    ("route_key", "in_context", "route"),
    [
        ("GET /items/{id}", None, "/items/{id}"),
        ("ANY /items/{proxy+}", None, "/items/{proxy+}"),
        ("$default", "$default", None),
        (None, "PUT /x", "/x"),
        (None, None, None),
    ],
)
def test_routes_of_http_apis(
    route_key: str | None, in_context: str | None, route: str | None
) -> None:
    event = events.load("http_api_v2")
    event["routeKey"], event["requestContext"]["routeKey"] = route_key, in_context
    facts = http_api_v2.facts(event, events.KNOWN_METHODS)
    assert facts.attributes.get("http.route") == route


@pytest.mark.parametrize(
    ("resource", "route"),
    [
        ("/", "/"),
        ("/{proxy+}", "/{proxy+}"),
        ("$default", None),
        ("ANY /x/{y}", "/x/{y}"),
        ("", None),
    ],
)
def test_routes_of_rest_apis_and_of_payload_format_1(resource: str, route: str | None) -> None:
    event = events.load("http_api_v1")
    event["resource"] = resource
    facts = rest_v1.facts(event, events.KNOWN_METHODS)
    assert facts.attributes.get("http.route") == route


@pytest.mark.parametrize(
    ("raw_path", "path", "expected"),
    [("/dev/x", "/dev/y", "/dev/x"), (None, "/dev/y", "/dev/y"), ("", None, "/")],
)
def test_paths_of_http_apis(raw_path: str | None, path: str | None, expected: str) -> None:
    event = events.load("http_api_v2")
    event["rawPath"], event["requestContext"]["http"]["path"] = raw_path, path
    facts = http_api_v2.facts(event, events.KNOWN_METHODS)
    assert facts.attributes["url.path"] == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, {}),
        ({"headers": {"A": "1", "b": None, "C": 3}}, {"a": "1"}),
        ({"headers": {"A": "2"}, "multiValueHeaders": {"a": ["1", "2"]}}, {"a": "1,2"}),
        ({"headers": {"A": "2"}, "multiValueHeaders": {"A": []}}, {"a": "2"}),
        ({"headers": {"A": "2"}, "multiValueHeaders": {"A": [None]}}, {"a": "2"}),
        ({"headers": {"A": "2"}, "multiValueHeaders": {"A": "1", "B": None}}, {"a": "2"}),
        (
            {"headers": None, "multiValueHeaders": {"X": ["1"], "Y": ["", "z"]}},
            {"x": "1", "y": ",z"},
        ),
        ({"headers": [], "multiValueHeaders": 5}, {}),
    ],
)
def test_headers(event: dict[str, object], expected: dict[str, str]) -> None:
    assert http_headers(event) == expected
