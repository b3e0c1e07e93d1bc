from __future__ import annotations

import pytest

from serverless_instrument.wrapper.otel.http_client_spans import complete_http_span, redacted_url
from serverless_instrument.wrapper.records import records


def completed(
    attributes: dict[str, object], events: tuple[records.Event, ...] = (), status_code: int = 0
) -> dict[str, object]:
    span = records.Span("GET", records.KIND_CLIENT, bytes(16), bytes(8), 1, attributes)
    span.events += events
    span.status_code = status_code
    complete_http_span(span)
    return span.attributes


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/b", "http://a/b"),
        ("http://a/b?c=d", "http://a/b?c=d"),
        ("http://a?sig=s", "http://a?sig=REDACTED"),
        ("http://a/?sig=s#sig=t", "http://a/?sig=REDACTED#sig=t"),
        ("http://a/?x=?&Signature=s&y=/", "http://a/?x=?&Signature=REDACTED&y=/"),
        # Names are compared without decoding: the second is another parameter.
        ("http://a/?sig=s&SIG=t", "http://a/?sig=REDACTED&SIG=t"),
        ("http://u:p@a/b", "http://REDACTED:REDACTED@a/b"),
        ("http://u@a:8080/b@c?d=@e", "http://REDACTED:REDACTED@a:8080/b@c?d=@e"),
        ("http://u:p@a", "http://REDACTED:REDACTED@a"),
        ("http://u:p@s@a?b=c", "http://REDACTED:REDACTED@a?b=c"),
        ("http://a?b=c@d", "http://a?b=c@d"),
        ("http://a#b@c", "http://a#b@c"),
        ("mailto:a@b", "mailto:a@b"),
        ("", ""),
        ("?sig=s", "?sig=REDACTED"),
    ],
)
def test_urls(url: str, expected: str) -> None:
    assert redacted_url(url) == expected


@pytest.mark.parametrize("name", ["url.full", "http.url"])
def test_names_of_urls(name: str) -> None:
    assert completed({name: "http://u:p@a/?sig=s"}) == {
        name: "http://REDACTED:REDACTED@a/?sig=REDACTED"
    }


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("url.query", "a=b&sig=s", "a=b&sig=REDACTED"),
        ("http.target", "/path?sig=s", "/path?sig=REDACTED"),
        ("http.target", "/path", "/path"),
    ],
)
def test_queries_and_targets(name: str, value: str, expected: str) -> None:
    assert completed({name: value}) == {name: expected}


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("http://a/b", "a", 80),
        ("HTTPS://a", "a", 443),
        ("https://u:p@a:8443/b:c", "a", 8443),
        ("http://[::1]:81/", "::1", 81),
        ("http://[::1]/", "::1", 80),
        ("ftp://a/", "a", None),
        ("http://a:x/", "a", 80),
        ("/relative", None, None),
        ("http:///path", None, None),
    ],
)
def test_where_the_request_went(url: str, address: str | None, port: int | None) -> None:
    attributes = completed({"http.request.method": "GET", "url.full": url})
    assert (attributes.get("server.address"), attributes.get("server.port")) == (address, port)


def test_what_the_instrumentation_says_stands() -> None:
    told: dict[str, object] = {
        "http.request.method": "GET",
        "url.full": "http://a:81/",
        "server.address": "b",
        "server.port": 82,
        "error.type": "500",
    }
    assert completed(dict(told), status_code=records.STATUS_ERROR) == told


def test_the_exceptions_type_where_no_other_is_told() -> None:
    events = (
        records.Event("other", 1, {}),
        records.Event("exception", 2, {"exception.type": "a.Error"}),
    )
    given: dict[str, object] = {"http.request.method": "GET"}
    attributes = completed(dict(given), events, records.STATUS_ERROR)
    assert attributes["error.type"] == "a.Error"
    assert completed(dict(given), events) == given
    assert completed(dict(given), (), records.STATUS_ERROR) == given


def test_spans_of_other_clients_and_strange_values_are_left_alone() -> None:
    told: dict[str, object] = {"rpc.system": "aws-api", "url.full": 1, "http.target": None}
    assert completed(dict(told), status_code=records.STATUS_ERROR) == told
