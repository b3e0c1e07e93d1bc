"""https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server."""

from __future__ import annotations

import decimal
import http
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.events.http import rebuilt_query, redacted, split_port
from serverless_instrument.wrapper.triggers import http_api_v2
from tests.wrapper.triggers import events


def attributes(headers: dict[str, str], **changes: Any) -> dict[str, object]:
    event = events.http_request(headers, **changes)
    return http_api_v2.facts(event, events.KNOWN_METHODS).attributes


@pytest.mark.parametrize(
    ("headers", "address", "port"),
    [
        ({}, None, None),
        ({"host": "shop.example.com"}, "shop.example.com", None),
        ({"host": "shop.example.com", "x-forwarded-port": "443"}, "shop.example.com", 443),
        ({"host": "shop.example.com:8443", "x-forwarded-port": "443"}, "shop.example.com", 8443),
        ({"host": "[2001:db8::1]:8080"}, "2001:db8::1", 8080),
        ({"host": "[2001:db8::1]"}, "2001:db8::1", None),
        ({"host": "2001:db8::1"}, "2001:db8::1", None),
        ({"host": "h", "x-forwarded-port": "443, 80"}, "h", 443),
        ({"host": "h:0"}, "h", None),
        ({"host": "h:1"}, "h", 1),
        ({"host": "h:65535"}, "h", 65535),
        ({"host": "h:65536"}, "h", None),
        ({"host": "h:port"}, "h", None),
        ({"host": "h:²"}, "h", None),
        ({"host": ":80"}, None, None),
        ({"host": " "}, None, None),
        ({"host": "h", "x-forwarded-host": "public.example.com, h"}, "public.example.com", None),
        (
            {"host": "h", "x-forwarded-host": "x", "forwarded": 'for=a;host="f.example.com:81"'},
            "f.example.com",
            81,
        ),
        ({"host": "h", "x-forwarded-host": "x", "forwarded": "for=a"}, "x", None),
        ({"host": "h", "forwarded": "Host=first;proto=http, host=second"}, "first", None),
        ({"host": "h", "forwarded": "host=_hidden"}, "h", None),
        ({"host": "h", "forwarded": ";;=;host"}, "h", None),
    ],
)
def test_the_server(headers: dict[str, str], address: str | None, port: int | None) -> None:
    found = attributes(headers)
    assert (found.get("server.address"), found.get("server.port")) == (address, port)


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({}, None),
        ({"x-forwarded-for": "203.0.113.7"}, "203.0.113.7"),
        ({"x-forwarded-for": " 203.0.113.7 , 70.41.3.18, 150.172.238.178"}, "203.0.113.7"),
        ({"x-forwarded-for": "203.0.113.7:4711"}, "203.0.113.7"),
        (
            {"x-forwarded-for": "2001:db8:85a3:8d3:1319:8a2e:370:7348"},
            "2001:db8:85a3:8d3:1319:8a2e:370:7348",
        ),
        ({"x-forwarded-for": "[2001:db8::1]:4711"}, "2001:db8::1"),
        ({"forwarded": 'For="[2001:db8:cafe::17]:4711";proto=http'}, "2001:db8:cafe::17"),
        ({"forwarded": "for=192.0.2.43, for=198.51.100.17"}, "192.0.2.43"),
        ({"forwarded": "for=unknown", "x-forwarded-for": "203.0.113.7"}, "203.0.113.7"),
        ({"forwarded": "for=_gazonk"}, None),
        ({"forwarded": "by=203.0.113.43; FOR = 192.0.2.60 "}, "192.0.2.60"),
    ],
)
def test_the_client(headers: dict[str, str], client: str | None) -> None:
    assert attributes(headers).get("client.address") == client


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({}, "https"),
        ({"x-forwarded-proto": ""}, "https"),
        ({"x-forwarded-proto": "http"}, "http"),
        ({"x-forwarded-proto": "HTTPS, http"}, "https"),
        ({"x-forwarded-proto": "https", "forwarded": "proto=http"}, "http"),
    ],
)
def test_the_scheme(headers: dict[str, str], scheme: str) -> None:
    assert attributes(headers)["url.scheme"] == scheme


def test_header_names_of_any_case() -> None:
    found = attributes({"HOST": "h", "X-Forwarded-FOR": "203.0.113.7", "User-Agent": "curl"})
    assert found["server.address"] == "h"
    assert found["client.address"] == "203.0.113.7"
    assert found["user_agent.original"] == "curl"


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("HTTP/1.1", (None, "1.1")),
        ("HTTP/2.0", (None, "2.0")),
        ("http/3", (None, "3")),
        ("SPDY/3", ("spdy", "3")),
        ("HTTP", (None, None)),
        ("HTTP/", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_the_protocol(protocol: str | None, expected: tuple[str | None, str | None]) -> None:
    request = {"method": "GET", "protocol": protocol}
    found = attributes({}, requestContext={"http": request})
    name, version = found.get("network.protocol.name"), found.get("network.protocol.version")
    assert (name, version) == expected


@pytest.mark.parametrize(
    ("method", "known", "shown", "original", "name"),
    [
        ("GET", None, "GET", None, "GET /items/{id}"),
        ("QUERY", None, "QUERY", None, "QUERY /items/{id}"),
        ("get", None, "_OTHER", "get", "HTTP /items/{id}"),
        ("PURGE", None, "_OTHER", "PURGE", "HTTP /items/{id}"),
        ("", None, "_OTHER", None, "HTTP /items/{id}"),
        ("PURGE", frozenset(("PURGE",)), "PURGE", None, "PURGE /items/{id}"),
        ("GET", frozenset(("PURGE",)), "_OTHER", "GET", "HTTP /items/{id}"),
    ],
)
def test_methods(
    method: str, known: frozenset[str] | None, shown: str, original: str | None, name: str
) -> None:
    event = events.load("http_api_v2")
    event["requestContext"]["http"]["method"] = method
    facts = http_api_v2.facts(event, events.KNOWN_METHODS if known is None else known)
    assert facts.attributes["http.request.method"] == shown
    assert facts.attributes.get("http.request.method_original") == original
    assert facts.name == name


def test_a_name_without_a_route_is_the_method_and_never_the_path() -> None:
    event = events.load("http_api_v2_default_route")
    assert http_api_v2.facts(event, events.KNOWN_METHODS).name == "POST"
    event["requestContext"]["http"]["method"] = "BREW"
    assert http_api_v2.facts(event, events.KNOWN_METHODS).name == "HTTP"


@pytest.mark.parametrize(
    "key",
    [
        "AWSAccessKeyId",
        "Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
        "sig",
    ],
)
def test_values_of_credentials_are_redacted(key: str) -> None:
    assert redacted(f"a=1&{key}=secret&b=2") == f"a=1&{key}=REDACTED&b=2"
    assert redacted(f"{key}=se=cret&{key}=") == f"{key}=REDACTED&{key}=REDACTED"
    escaped = f"%{ord(key[0]):02x}{key[1:]}"
    assert redacted(f"{escaped}=secret") == f"{escaped}=REDACTED"
    query = attributes({}, rawQueryString=f"{key}=secret")["url.query"]
    assert query == f"{key}=REDACTED"


@pytest.mark.parametrize(
    "query",
    ["", "a", "a=1&b=2", "SIG=1", "signature=1", "sig", "sig&a=sig", "x-amz-signature=1", "&&=&"],
)
def test_what_is_no_credential_stays(query: str) -> None:
    assert redacted(query) == query


@given(st.text(alphabet="sig=&%73a69", max_size=40))
def test_redaction_changes_nothing_but_values(query: str) -> None:
    result = redacted(query)
    assert [pair.partition("=")[0] for pair in result.split("&")] == [
        pair.partition("=")[0] for pair in query.split("&")
    ]
    assert redacted(result) == result


@pytest.mark.parametrize(
    ("query", "length"),
    [("a" * 100_000, 16_384), ("a&" * 50_000, 511), ("%61=1&" * 50_000, 6 * 256 - 1)],
)
def test_what_no_gateway_lets_through_is_cut(query: str, length: int) -> None:
    assert redacted(query) == query[:length]


def test_a_cut_query_keeps_no_credential() -> None:
    query = "sig=" + "s" * 20_000
    assert redacted(query) == "sig=REDACTED"
    assert redacted("x" * 16_380 + "&sig=secret") == "x" * 16_380 + "&sig"


@pytest.mark.parametrize("values", [["v"] * 100_000, ["é" * 20_000], ["x" * 20_000, "y"]])
def test_a_rebuilt_query_is_bounded(values: list[str]) -> None:
    event = {"multiValueQueryStringParameters": {"a": values, "b": ["c"]}}
    assert len(rebuilt_query(event, encoded=False)) <= 16_384 * 2
    many = {"queryStringParameters": {f"k{index}": "v" for index in range(10_000)}}
    assert rebuilt_query(many, encoded=False).count("&") == 255


@pytest.mark.parametrize(
    ("event", "decoded", "encoded"),
    [
        ({}, "", ""),
        ({"queryStringParameters": {"a": "1", "b": ""}}, "a=1&b=", "a=1&b="),
        (
            {"queryStringParameters": {"a b": "1&2=3 é%"}},
            "a%20b=1%262%3D3%20%C3%A9%25",
            "a b=1&2=3 é%",
        ),
        (
            {
                "queryStringParameters": {"a": "2", "b": "3"},
                "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["3"]},
            },
            "a=1&a=2&b=3",
            "a=1&a=2&b=3",
        ),
        (
            {"multiValueQueryStringParameters": {"a": "1", "b": [None, 2, "x"], "c": None}},
            "a=1&b=x",
            "a=1&b=x",
        ),
    ],
)
def test_the_query_is_rebuilt(event: dict[str, Any], decoded: str, encoded: str) -> None:
    assert rebuilt_query(event, encoded=False) == decoded
    assert rebuilt_query(event, encoded=True) == encoded


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ("", "")),
        ("h", ("h", "")),
        ("h:1", ("h", "1")),
        ("h:", ("h", "")),
        ("[::1]", ("::1", "")),
        ("[::1]:2", ("::1", "2")),
        ("[::1]junk", ("::1", "")),
        ("[::1", ("::1", "")),
        ("::1", ("::1", "")),
    ],
)
def test_split_port(host: str, expected: tuple[str, str]) -> None:
    assert split_port(host) == expected


# What a response without a status code means to the client differs by trigger.
IMPLICIT = {"http_api_v2": 200, "function_url": 200, "rest_v1": None, "alb": None}


@pytest.mark.parametrize("trigger", IMPLICIT)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        (200, 200),
        (100, 100),
        (499, 499),
        (500, 500),
        (599, 599),
        ("200", 200),
        ("404", 404),
        (200.0, 200),
        (http.HTTPStatus.CREATED, 201),
        (decimal.Decimal("503"), 503),
        (decimal.Decimal("200.0"), 200),
        (99, None),
        (600, None),
        (-200, None),
        (200.5, None),
        (True, None),
        (False, None),
        ("", None),
        ("20", None),
        ("2000", None),
        (" 200", None),
        ("OK", None),
        ("²⁰⁰", None),
        ([200], None),
        ({}, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (decimal.Decimal("NaN"), None),
    ],
)
def test_status_codes(trigger: str, code: object, status: int | None) -> None:
    outcome = registry.load(trigger).outcome({"statusCode": code, "body": ""})
    if status is None:
        assert outcome.attributes == {}
        assert (outcome.error_type, outcome.message) == (
            "invalid_response",
            "the response has no valid statusCode",
        )
    else:
        assert outcome.attributes == {"http.response.status_code": status}
        assert type(outcome.attributes["http.response.status_code"]) is int
        assert outcome.error_type == (str(status) if status >= 500 else "")
        assert outcome.message == ""


@pytest.mark.parametrize("trigger", IMPLICIT)
@pytest.mark.parametrize(
    "response", [None, "text", "", [], ["a"], 5, True, {}, {"body": "x"}, {"statusCode": None}]
)
def test_responses_without_a_status_code(trigger: str, response: object) -> None:
    outcome = registry.load(trigger).outcome(response)
    if IMPLICIT[trigger]:
        assert outcome.attributes == {"http.response.status_code": 200}
        assert outcome.error_type == ""
    else:
        assert (outcome.attributes, outcome.error_type) == ({}, "invalid_response")
