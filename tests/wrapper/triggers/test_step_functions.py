"""https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.triggers import step_functions
from tests.wrapper.triggers import events

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("member", ["Context", "context"])
def test_the_context_object_as_a_member(member: str) -> None:
    event = {"orderId": "42", member: events.load("step_functions_context")}
    assert registry.select(event) is registry.load("step_functions")
    facts = step_functions.facts(event, events.KNOWN_METHODS)
    assert facts.carrier == {"traceparent": TRACEPARENT}  # of the execution's input


def test_the_tasks_own_context_is_nearer_than_the_executions() -> None:
    event = {"traceparent": "nearer", "Context": events.load("step_functions_context")}
    facts = step_functions.facts(event, events.KNOWN_METHODS)
    assert facts.carrier == {"traceparent": "nearer"}


@pytest.mark.parametrize(
    "event",
    [
        {"Execution": {"Id": "x"}},
        {"Execution": "x", "StateMachine": {}},
        {"context": {"a": 1}},
        {"Context": "x"},
    ],
)
def test_what_only_looks_like_one_is_a_direct_invocation(event: object) -> None:
    assert registry.select(event) is registry.load("direct")
