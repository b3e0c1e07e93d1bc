"""What of a payload may be seen."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.invocation.payload import (
    OMITTED,
    REDACTED,
    Capture,
    Rules,
    text_of,
)
from tests.cost import reference_ms
from tests.wrapper.triggers import events

SECRET = "hunter2"
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ANYTHING = st.recursive(
    SCALAR, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
)


def shown(payload: object, max_bytes: int = 16384, max_depth: int = 10, *keys: str) -> Any:
    return json.loads(text_of(payload, Rules(max_bytes, max_depth, keys)))


TELLING = ("api", "authorization", "cookie", "passw", "secret", "token", "=")
HARMLESS = [
    name
    for name in events.NAMES
    if not any(word in json.dumps(events.load(name)).lower() for word in TELLING)
]


@pytest.mark.parametrize("name", HARMLESS)
def test_an_event_without_secrets_is_shown_as_it_is(name: str) -> None:
    event = events.load(name)
    assert shown(event, 1_000_000, 30) == event


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password",
        "user_password",
        "dbPasswd",
        "client-secret",
        "accessToken",
        "x-amz-security-token",
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "cookies",
        "api_key",
        "X-Api-Key",
        "apiKey",
        "API KEY",
        "pinCode",
    ],
)
@pytest.mark.parametrize("value", [SECRET, 42, None, [SECRET], {"deep": [SECRET]}])
def test_what_is_under_a_telling_key_is_not_seen(key: str, value: object) -> None:
    event = {"a": [{"b": {key: value}}], "kept": "kept"}
    assert shown(event, 16384, 10, "pin_code") == {"a": [{"b": {key: REDACTED}}], "kept": "kept"}


BODY = json.dumps({"user": "ada", "password": SECRET, "deep": [{"token": SECRET}]})
FORM = f"user=ada&password={SECRET}"


@pytest.mark.parametrize(
    "event",
    [
        {"body": BODY},
        {"body": "  " + BODY},
        {"body": json.dumps({"Message": BODY})},
        {"Records": [{"body": BODY}, {"Sns": {"Message": BODY}}]},
        {"body": FORM},
        {"body": base64.b64encode(BODY.encode()).decode(), "isBase64Encoded": True},
        {"isBase64Encoded": True, "body": base64.b64encode(FORM.encode()).decode()},
        {"rawQueryString": f"a=1&access_token={SECRET}"},
        {"url": f"https://example.com/?token={SECRET}&a=1"},
        {"name": "DB_PASSWORD", "value": SECRET},
        {"value": SECRET, "Name": "DB_PASSWORD"},
        {"Key": "x-api-key", "StringValue": SECRET},
        {"Authorization": {"Bearer": SECRET}},
    ],
)
def test_secrets_in_other_forms_are_not_seen(event: object) -> None:
    text = text_of(event, Rules(16384, 10))
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode().rstrip("=") not in text
    assert REDACTED in text


def test_what_is_not_text_in_a_body_is_not_shown() -> None:
    event = {"isBase64Encoded": True, "body": base64.b64encode(b"\xff\x00").decode()}
    assert shown(event)["body"] == "<binary>"
    assert shown({"isBase64Encoded": True, "body": "a"})["body"] == "<binary>"
    assert shown({"isBase64Encoded": True, "body": 5})["body"] == "<binary>"


def test_what_is_too_deep_is_omitted() -> None:
    assert shown({"a": {"b": {"c": 1}}, "d": [[[1]]], "e": 1}, 16384, 2) == {
        "a": {"b": OMITTED},
        "d": [OMITTED],
        "e": 1,
    }
    assert shown({"a": 1}, 16384, 0) == OMITTED
    assert shown("text", 16384, 0) == "text"


@pytest.mark.parametrize(
    "payload",
    [
        {str(number): "x" * 10 for number in range(10_000)},
        [["x" * 10] for _ in range(10_000)],
        ["x" * 1_000_000],
        {"x" * 1_000_000: 1},
        json.dumps([["x" * 10] for _ in range(10_000)]),
        [10**400, 10**5000],
        [None] * 100_000,
        list(range(100_000)),
    ],
)
def test_what_is_too_much_is_omitted(payload: object) -> None:
    text = text_of(payload, Rules(1000, 10))
    assert len(text) < 2500
    assert OMITTED in text


class Hostile(dict[str, object]):
    def items(self) -> Any:
        raise RuntimeError("hostile")

    __iter__ = __len__ = __getitem__ = items  # type: ignore[assignment] # on purpose


class Text(str):
    def __str__(self) -> str:
        raise RuntimeError("hostile")


def test_objects_of_other_types_are_named_and_not_run() -> None:
    assert shown(Hostile(a=1)) == {"a": 1}
    assert shown([Text("text"), Decimal("1.5"), b"bytes", object(), (1, 2), {1: 2}]) == [
        "text",
        "1.5",
        "<bytes>",
        "<object>",
        [1, 2],
        {"<int>": 2},
    ]


def test_a_payload_that_holds_itself_ends() -> None:
    payload: list[object] = [1]
    payload.append(payload)
    assert OMITTED in text_of(payload, Rules(16384, 10))


def test_json_in_json_in_json_ends() -> None:
    text = "[1]"
    for _ in range(12):
        text = json.dumps([text])
    assert text_of(text, Rules(16384, 10)).count(OMITTED) == 1
    assert text_of("[" * 100_000, Rules(100, 10)) == json.dumps("[" * 100 + OMITTED)


@given(ANYTHING)
def test_anything_gives_text_that_json_can_read(payload: object) -> None:
    text = text_of(payload, Rules(1000, 5))
    json.loads(text)
    assert "\n" not in text


def test_the_cost_is_bounded() -> None:
    event = {"Records": [{"body": BODY, "number": number} for number in range(10_000)]}
    assert reference_ms(lambda: text_of(event, Rules(16384, 10)), times=5) < 50


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("request", {"aws.lambda.request.payload"}),
        ("response", {"aws.lambda.response.payload"}),
        ("both", {"aws.lambda.request.payload", "aws.lambda.response.payload"}),
    ],
)
def test_what_is_asked_for_is_captured(which: str, expected: set[str]) -> None:
    capture = Capture(which, Rules(16384, 10))
    attributes: dict[str, object] = {}
    capture.add_request(attributes, {"a": 1})
    capture.add_response(attributes, {"a": 1})
    assert set(attributes) == expected
    assert set(attributes.values()) == {'{"a": 1}'}
