"""https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.triggers import api_authorizer
from tests.wrapper.triggers import events

API = "arn:aws:execute-api:us-east-1:123456789012:abcdef123"


@pytest.mark.parametrize(
    ("arn", "attributes"),
    [
        (f"{API}/test/POST/a/b", {"http.request.method": "POST"}),
        (f"{API}/test/GET/", {"http.request.method": "GET"}),
        (
            f"{API}/test/PURGE/a",
            {"http.request.method": "_OTHER", "http.request.method_original": "PURGE"},
        ),
        (f"{API}/test", {}),
        ("", {}),
    ],
)
def test_the_method_of_a_token_request(arn: str, attributes: dict[str, object]) -> None:
    event = {"type": "TOKEN", "authorizationToken": "secret", "methodArn": arn}
    assert registry.select(event) is api_authorizer
    facts = api_authorizer.facts(event, events.KNOWN_METHODS)
    assert facts.attributes == {"aws.lambda.event_source": "aws:apigateway:authorizer"} | attributes
    assert (facts.name, facts.trigger, facts.carrier) == (None, "http", {})


@pytest.mark.parametrize("response", [{"isAuthorized": False}, {"policyDocument": {}}, None])
def test_a_refusal_is_no_error(response: object) -> None:
    outcome = api_authorizer.outcome(response)
    assert (outcome.attributes, outcome.error_type) == ({}, "")


@pytest.mark.parametrize("name", [name for name in events.NAMES if name.startswith("authorizer")])
def test_tokens_are_never_recorded(name: str) -> None:
    event = events.load(name)
    facts = api_authorizer.facts(event, events.KNOWN_METHODS)
    tokens = event.get("identitySource") or [event.get("authorizationToken")]
    for token in [tokens] if isinstance(tokens, str) else tokens:
        assert token is None or token not in facts.attributes.values()
