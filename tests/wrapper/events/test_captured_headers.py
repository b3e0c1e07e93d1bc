"""https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/ (http.request.header)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.wrapper.settings import Settings
from tests.wrapper import decoded, invocations
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
MODULE = "serverless_instrument.wrapper.events.captured_headers"


def spanned(event: object, response: object = None, **captured: str) -> dict[str, object]:
    """Header attributes of the span that ends the invocation."""
    environ = {PREFIX + name: value for name, value in captured.items()}
    invocation = invocations.started(event, **environ)
    span = invocations.end_span(invocation.succeed(response, invocations.END_UNIX_NS))
    attributes = decoded.attributes(span.attributes)
    return {key: value for key, value in attributes.items() if ".header." in key}


def request(event: object, names: str, sanitized: str = "") -> Mapping[str, object]:
    found = spanned(event, SERVER_REQUEST=names, SANITIZE_FIELDS=sanitized)
    return {key.removeprefix("http.request.header."): value for key, value in found.items()}


def response(result: object, names: str, sanitized: str = "") -> Mapping[str, object]:
    event = events.load("http_api_v2")
    found = spanned(event, result, SERVER_RESPONSE=names, SANITIZE_FIELDS=sanitized)
    return {key.removeprefix("http.response.header."): value for key, value in found.items()}


def test_nothing_is_captured_and_nothing_loaded_where_no_header_is_named() -> None:
    sys.modules.pop(MODULE, None)
    assert spanned(events.load("rest_v1"), {"statusCode": 200, "headers": {"x": "1"}}) == {}
    assert spanned(events.load("rest_v1"), SANITIZE_FIELDS=".*") == {}
    assert MODULE not in sys.modules


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("accept", {"accept": ["*/*"]}),
        ("ACCEPT , Content-Length", {"accept": ["*/*"], "content-length": ["0"]}),
        ("x-forwarded-p.*", {"x-forwarded-port": ["443"], "x-forwarded-proto": ["https"]}),
        ("forwarded", {}),
        ("accep", {}),
        ("x-missing", {}),
        (",,", {}),
    ],
)
def test_names_are_whole_patterns_in_any_case(names: str, found: dict[str, object]) -> None:
    assert request(events.load("http_api_v2"), names) == found


def test_keys_are_lower_case_with_dashes() -> None:
    headers = {"X-Tenant-ID": "7", "X_Under_Score": "8"}
    found = request(events.http_request(headers), "x.tenant.id,x_under_score")
    assert found == {"x-tenant-id": ["7"], "x_under_score": ["8"]}


@pytest.mark.parametrize(
    ("name", "header", "values"),
    [
        ("rest_v1", "x-forwarded-for", ["203.0.113.7, 198.51.100.2"]),
        ("http_api_v1", "header2", ["value1", "value2"]),
        ("http_api_v1", "user-agent", ["curl/8.5.0"]),
        ("alb_multi_value", "host", ["shop.example.com"]),
        ("lattice_v2", "user-agent", ["curl/7.64.1"]),
        ("cloudfront", "host", ["d111111abcdef8.cloudfront.net"]),
        ("function_url", "x-forwarded-proto", ["https"]),
        ("rest_non_proxy", "accept", ["*/*"]),
        ("websocket_connect", "sec-websocket-version", ["13"]),
        ("appsync", "host", ["x.appsync-api.us-east-1.amazonaws.com"]),
        ("authorizer_request_v1", "x-amz-date", ["20170718T062915Z"]),
    ],
)
def test_headers_of_every_http_source(name: str, header: str, values: list[str]) -> None:
    assert request(events.load(name), header) == {header: values}


def test_no_other_source_has_http_headers() -> None:
    for name in ("direct_headers", "s3_object_lambda", "iot_authorizer"):
        assert request(events.load(name), ".*") == {}


@pytest.mark.parametrize("name", ["rest_v1_custom_domain", "alb_multi_value"])
@pytest.mark.parametrize("pattern", [".*", "cookie", "Cookie", "c.*"])
def test_cookies_are_never_recorded(name: str, pattern: str) -> None:
    assert "cookie" in {header.lower() for header in events.load(name)["multiValueHeaders"]}
    assert not [key for key in request(events.load(name), pattern) if "cookie" in key]
    result = {
        "statusCode": 200,
        "headers": {"Set-Cookie": "a=1"},
        "multiValueHeaders": {"set-cookie": ["b=2"]},
        "cookies": ["c=3"],
    }
    assert response(result, f"{pattern},set-cookie") == {}


@pytest.mark.parametrize(
    ("sanitized", "value"),
    [
        ("authorization", "[REDACTED]"),
        ("AUTH", "[REDACTED]"),
        (".*", "[REDACTED]"),
        ("x-other,authoriz.*", "[REDACTED]"),
        ("x-authorization", "Bearer abc"),
        ("", "Bearer abc"),
    ],
)
def test_sanitized_fields_are_searched_for(sanitized: str, value: str) -> None:
    event = events.http_request({"Authorization": "Bearer abc"})
    assert request(event, "authorization", sanitized) == {"authorization": [value]}
    result = {"statusCode": 200, "headers": {"Authorization": "Bearer abc"}}
    assert response(result, "authorization", sanitized) == {"authorization": [value]}


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (
            {"headers": {"X-A": "1", "X-B": 2, "X-C": 1.5}},
            {"x-a": ["1"], "x-b": ["2"], "x-c": ["1.5"]},
        ),
        ({"multiValueHeaders": {"X-A": ["1", "2"]}}, {"x-a": ["1", "2"]}),
        ({"headers": {"x-a": "1"}, "multiValueHeaders": {"X-A": ["2", "3"]}}, {"x-a": ["2", "3"]}),
        ({"headers": {"X-A": [{"key": "X-A", "value": "1"}]}}, {"x-a": ["1"]}),
        ({"headers": {"X-A": True, "X-B": None, "X-C": ["1", None], "X-D": {}, "X-E": []}}, {}),
        ({"headers": {7: "1"}}, {}),
        ({"headers": "x-a"}, {}),
        ({}, {}),
        ("text", {}),
        (None, {}),
    ],
)
def test_headers_of_responses(result: Any, found: dict[str, object]) -> None:
    assert response(result, "x-.*") == found


def test_a_result_that_defeats_it_keeps_its_status() -> None:
    class Strange(dict[str, object]):
        def items(self) -> Any:
            raise RuntimeError

    result = {"statusCode": 503, "headers": Strange(a="1")}
    invocation = invocations.started(events.load("alb"), **{PREFIX + "SERVER_RESPONSE": ".*"})
    span = invocations.end_span(invocation.succeed(result, invocations.END_UNIX_NS))
    attributes = decoded.attributes(span.attributes)
    assert attributes["http.response.status_code"] == 503


@pytest.mark.parametrize("name", ["SERVER_REQUEST", "SERVER_RESPONSE", "SANITIZE_FIELDS"])
def test_a_pattern_that_is_none_is_named_and_left_out(name: str) -> None:
    settings = Settings({PREFIX + name: "x-a,*bad,x-b"})
    (warning,) = settings.warnings
    assert warning == (
        f'{PREFIX}{name}: pattern "*bad" is skipped: nothing to repeat at position 0'
    )
    assert Settings({PREFIX + name: "*bad"}).request_headers is None
