"""Route, path and headers of HTTP events."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.events.carriers import http_headers
from serverless_instrument.wrapper.triggers import http_api_v2, rest_v1
from tests.wrapper.triggers import events


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
    ("in_context", "in_event", "expected"),
    [
        ("/prod/items/42", "/items/42", "/prod/items/42"),
        ("/orders/items/42", "/orders/items/42", "/orders/items/42"),
        ("/{proxy+}", "/any", "/any"),
        (None, "/items/42", "/items/42"),
        ("/{proxy+}", None, "/"),
        ("", "", "/"),
    ],
)
def test_paths_of_rest_apis(in_context: str | None, in_event: str | None, expected: str) -> None:
    event = events.load("rest_v1")
    event["requestContext"]["path"], event["path"] = in_context, in_event
    facts = rest_v1.facts(event, events.KNOWN_METHODS)
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
