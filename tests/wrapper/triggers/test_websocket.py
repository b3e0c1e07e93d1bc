"""https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api.html."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.triggers import websocket
from tests.wrapper.triggers import events


@pytest.mark.parametrize(
    ("domain_name", "path"),
    [
        ("abc123.execute-api.eu-central-1.amazonaws.com", "/dev"),
        ("chat.example.com", None),
        (None, None),
    ],
)
def test_the_path_of_a_connection_is_the_stage_where_no_mapping_decides(
    domain_name: str | None, path: str | None
) -> None:
    event = events.load("websocket_connect")
    event["requestContext"]["domainName"] = domain_name
    facts = websocket.facts(event, events.KNOWN_METHODS)
    assert facts.attributes.get("url.path") == path


@pytest.mark.parametrize("name", ["websocket_message", "websocket_disconnect"])
def test_only_a_connection_is_a_request(name: str) -> None:
    event = events.load(name)
    event["queryStringParameters"] = {"a": "1"}
    facts = websocket.facts(event, events.KNOWN_METHODS)
    assert not {"http.request.method", "url.path", "url.query"} & set(facts.attributes)


def test_a_route_that_is_missing_leaves_the_functions_name() -> None:
    event = events.load("websocket_message")
    event["requestContext"]["routeKey"] = None
    facts = websocket.facts(event, events.KNOWN_METHODS)
    assert facts.name is None
    assert "http.route" not in facts.attributes


@pytest.mark.parametrize(
    ("response", "attributes", "error_type"),
    [
        ({"statusCode": 200}, {"http.response.status_code": 200}, ""),
        ({"statusCode": 401}, {"http.response.status_code": 401}, ""),
        ({"statusCode": "500"}, {"http.response.status_code": 500}, "500"),
        ({"statusCode": "no"}, {}, "invalid_response"),
        ({"statusCode": None}, {}, ""),
        ({"body": "x"}, {}, ""),
        (None, {}, ""),
        ("text", {}, ""),
    ],
)
def test_a_status_code_is_not_asked_for(
    response: object, attributes: dict[str, object], error_type: str
) -> None:
    outcome = websocket.outcome(response)
    assert (outcome.attributes, outcome.error_type) == (attributes, error_type)
