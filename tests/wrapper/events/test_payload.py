"""Trace context in payloads that have no shape of AWS's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serverless_instrument.wrapper.events import payload
from serverless_instrument.wrapper.triggers import direct, durable_execution
from tests.wrapper.triggers import events

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("value", "carrier"),
    [
        ({"traceparent": "a", "tracestate": "b", "baggage": "c"}, None),
        ({"X-Amzn-Trace-Id": "a"}, {"x-amzn-trace-id": "a"}),
        ({"AWSTraceHeader": "a"}, {"x-amzn-trace-id": "a"}),
        ({"X-B3-TraceId": "a", "x-b3-spanid": "b"}, {"x-b3-traceid": "a", "x-b3-spanid": "b"}),
        ({"b3": "a", "x": "b"}, {"b3": "a"}),
        ({"traceparent": 5, "tracestate": None}, {}),
        ({"nested": {"traceparent": "a"}}, {}),
        (["traceparent"], {}),
        ("traceparent", {}),
        (None, {}),
    ],
)
def test_a_few_names_at_the_top(value: Any, carrier: dict[str, str] | None) -> None:
    assert payload.carrier(value) == (value if carrier is None else carrier)


def test_a_direct_payloads_own_context_beats_that_of_its_headers() -> None:
    event = {"traceparent": TRACEPARENT, "headers": {"traceparent": "x"}}
    assert direct.facts(event, events.KNOWN_METHODS).carrier == {"traceparent": TRACEPARENT}
    del event["traceparent"]
    assert direct.facts(event, events.KNOWN_METHODS).carrier == {"traceparent": "x"}


@pytest.mark.parametrize(
    ("document", "carrier"),
    [
        (json.dumps({"traceparent": TRACEPARENT}), {"traceparent": TRACEPARENT}),
        (json.dumps({"X-Amzn-Trace-Id": "Root=1"}), {"x-amzn-trace-id": "Root=1"}),
        (json.dumps({"traceparent": TRACEPARENT, "x": "y" * 20_000}), {}),
        ('{"traceparent": ', {}),
        ("[" * 10_000 + '"traceparent"', {}),
        ('["traceparent"]', {}),
        ("null", {}),
        ("", {}),
    ],
)
def test_the_input_of_a_durable_execution(document: str, carrier: dict[str, str]) -> None:
    event = events.load("durable_execution_replay")
    details = {"InputPayload": document}
    event["InitialExecutionState"]["Operations"][0]["ExecutionDetails"] = details
    assert durable_execution.facts(event, events.KNOWN_METHODS).carrier == carrier
