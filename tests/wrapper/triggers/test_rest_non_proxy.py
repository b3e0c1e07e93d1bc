"""https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.triggers import rest_non_proxy
from tests.wrapper.triggers import events

OWN, CUSTOM = "qwert12345.execute-api.us-west-2.amazonaws.com", "api.example.com"


@pytest.mark.parametrize(
    ("route", "parameters", "host", "path"),
    [
        ("/pets/{petId}", {"petId": "7"}, OWN, "/v1/pets/7"),
        ("/pets/{petId}", {"petId": "7"}, CUSTOM, "/pets/7"),
        ("/pets/{petId}", {"petId": "a b/é"}, CUSTOM, "/pets/a%20b/%C3%A9"),
        ("/{proxy+}", {"proxy": "a/b"}, CUSTOM, "/a/b"),
        ("/{a}/{b}", {"a": "1", "b": "2"}, CUSTOM, "/1/2"),
        ("/{a}/{b}", {"b": 2}, CUSTOM, "/{a}/{b}"),
        ("/{a}", {"a": "x" * 20_000}, CUSTOM, "/{a}"),
        ("/", {}, CUSTOM, "/"),
        ("/", None, OWN, "/v1/"),
        (None, {}, None, "/"),
    ],
)
def test_the_path_is_put_together(
    route: str | None, parameters: object, host: str | None, path: str
) -> None:
    event = events.load("rest_non_proxy")
    event["context"]["resource-path"] = route
    event["params"]["path"] = parameters
    event["params"]["header"]["Host"] = host
    facts = rest_non_proxy.facts(event, events.KNOWN_METHODS)
    assert facts.attributes["url.path"] == path


@pytest.mark.parametrize("response", [None, {"statusCode": 500}, "text"])
def test_the_integration_response_decides_over_the_status(response: object) -> None:
    outcome = rest_non_proxy.outcome(response)
    assert (outcome.attributes, outcome.error_type) == ({}, "")
