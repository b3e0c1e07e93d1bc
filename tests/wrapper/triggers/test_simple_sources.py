"""Shapes of the table's rows that the documented events leave open, and rows with functions."""

from __future__ import annotations

from typing import Any

import pytest

from serverless_instrument.wrapper.triggers.simple_sources import TRIGGERS
from tests.wrapper.triggers import events

CUT = "x" * 2046  # of 2,048 characters, with "a/"
CONTEXT = {"functionArn": "arn:aws:lambda:us-east-1:1:function:f", "condition": "Success"}


@pytest.mark.parametrize(
    ("name", "event", "claimed"),
    [
        ("warmup", {"warmer": True}, True),
        ("warmup", {"warmer": 1}, False),
        ("warmup", {"warmer": "true"}, False),
        ("destination", {"requestPayload": None, "requestContext": CONTEXT}, True),
        ("destination", {"requestContext": CONTEXT}, False),
        ("alexa", {"request": {"type": "LaunchRequest"}, "context": {"System": None}}, True),
        ("alexa", {"request": {"type": "LaunchRequest"}, "context": {}}, False),
        ("codepipeline", {"CodePipeline.job": {}}, True),
        ("codepipeline", {"CodePipeline": {"job": {}}}, False),
        ("lex", {"bot": "name", "invocationSource": "DialogCodeHook"}, False),
        ("cloudwatch_logs", {"awslogs": {"data": None}}, False),
    ],
)
def test_shapes(name: str, event: object, claimed: bool) -> None:
    assert TRIGGERS[name].infer(event) is claimed


@pytest.mark.parametrize(
    ("name", "changes", "attribute", "expected"),
    [
        ("bedrock_agent", {"function": None}, "gen_ai.tool.name", "GET /a/{b}"),
        ("bedrock_agent", {"function": "f"}, "gen_ai.tool.name", "f"),
        ("bedrock_agent", {"apiPath": None, "httpMethod": None}, "gen_ai.tool.name", None),
        ("kinesis_analytics", {"streamArn": "a/" + "x" * 3000}, "aws.kinesis.stream_name", CUT),
        ("kinesis_analytics", {"streamArn": None}, "aws.kinesis.stream_name", None),
        ("transfer", {"protocol": "SFTP-AND-MORE"}, "network.protocol.name", "sftp-and"),
        ("transfer", {"sourceIp": 7}, "client.address", None),
    ],
)
def test_attributes(
    name: str, changes: dict[str, Any], attribute: str, expected: str | None
) -> None:
    event = {"httpMethod": "GET", "apiPath": "/a/{b}", **changes}
    found = TRIGGERS[name].facts(event, events.KNOWN_METHODS).attributes.get(attribute)
    assert found == expected
