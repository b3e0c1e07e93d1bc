"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html."""

from __future__ import annotations

from typing import Any

import pytest

from serverless_instrument.wrapper.triggers import cloudfront
from tests.wrapper.triggers import events


@pytest.mark.parametrize(
    ("headers", "carrier"),
    [
        ({"Host": [{"key": "Host", "value": "h"}]}, {"host": "h"}),
        ({"accept": [{"value": "a"}, {"value": "b"}]}, {"accept": "a,b"}),
        ({"accept": [{"key": "Accept"}, {"value": 5}, "a", None]}, {}),
        ({"accept": "a", "via": None, "x": []}, {}),
        ([], {}),
    ],
)
def test_headers(headers: object, carrier: dict[str, str]) -> None:
    event = events.load("cloudfront")
    event["Records"][0]["cf"]["request"]["headers"] = headers
    assert cloudfront.facts(event, events.KNOWN_METHODS).carrier == carrier


def test_without_a_host_the_distribution_is_the_server() -> None:
    event = events.load("cloudfront_origin_request")
    del event["Records"][0]["cf"]["request"]["headers"]["host"]
    facts = cloudfront.facts(event, events.KNOWN_METHODS)
    assert facts.attributes["server.address"] == "d2exampleabcdef.cloudfront.net"


@pytest.mark.parametrize(
    ("response", "attributes", "error_type"),
    [
        ({"status": "200", "headers": {}}, {"http.response.status_code": 200}, ""),
        ({"status": 302}, {"http.response.status_code": 302}, ""),
        ({"status": "503"}, {"http.response.status_code": 503}, "503"),
        ({"status": "OK"}, {}, "invalid_response"),
        ({"method": "GET", "uri": "/"}, {}, ""),
        ({"statusCode": 500}, {}, ""),
        (None, {}, ""),
    ],
)
def test_a_request_that_goes_on_has_no_status(
    response: Any, attributes: dict[str, object], error_type: str
) -> None:
    outcome = cloudfront.outcome(response)
    assert (outcome.attributes, outcome.error_type) == (attributes, error_type)
    if error_type == "invalid_response":
        assert outcome.message == "the response has no valid status"
