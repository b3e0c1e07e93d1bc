"""Payloads on the invocation's span, as the settings say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wrapper.program import run

REQUEST, RESPONSE = "aws.lambda.request.payload", "aws.lambda.response.payload"
HANDLER = """
    def handler(event, context):
        event.clear()
        return {"answer": 42, "token": "hunter2"}
"""
EVENT = {"question": "?", "password": "hunter2", "a": {"b": {"c": 1}}, "pin": 1}
SHOWN = {"question": "?", "password": "REDACTED", "a": {"b": {"c": 1}}, "pin": 1}


def captured(*lines: str, log: tuple[str, ...] = (), **environ: str) -> dict[str, Any]:
    outcome = run((*lines, HANDLER), [EVENT], log=log, **environ)  # type: ignore[arg-type] # strings
    return {
        name: json.loads(str(value))
        for name, value in outcome.invocation.attributes.items()
        if name.endswith("payload")
    }


def test_nothing_is_captured_unasked() -> None:
    assert captured() == {}


@pytest.mark.parametrize("line", ["", "import opentelemetry.sdk.trace"], ids=["alone", "sdk"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("request", {REQUEST}),
        ("RESPONSE", {RESPONSE}),
        ("both", {REQUEST, RESPONSE}),
        ("off", set()),
    ],
)
def test_what_is_asked_for_is(value: str, expected: set[str], line: str) -> None:
    found = captured(line, SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD=value)
    assert set(found) == expected
    assert found.get(REQUEST, SHOWN) == SHOWN
    assert found.get(RESPONSE, {"answer": 42, "token": "REDACTED"})["token"] == "REDACTED"


def test_dev_mode_captures_both() -> None:
    assert set(captured(SERVERLESS_INSTRUMENT_DEV_MODE="true")) == {REQUEST, RESPONSE}
    off = captured(
        SERVERLESS_INSTRUMENT_DEV_MODE="true", SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD="off"
    )
    assert off == {}


def test_limits_and_keys_are_settings() -> None:
    found = captured(
        SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD="request",
        SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_DEPTH="2",
        SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_REDACT="pin, other",
    )
    assert found[REQUEST] == {**SHOWN, "a": {"b": "..."}, "pin": "REDACTED"}
    found = captured(
        SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD="request",
        SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_BYTES="20",
    )
    assert found[REQUEST] == {"question": "?", "...": "..."}


def test_a_value_that_says_nothing_is_told() -> None:
    line = (
        'serverless-instrument: SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD="all" is not known, '
        "using off: set it to request, response, both or off"
    )
    assert captured(log=(line,), SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD="all") == {}
