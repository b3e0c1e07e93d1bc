from __future__ import annotations

import pytest

from serverless_instrument.wrapper.triggers import registry
from tests.wrapper.triggers import events


def claimants(event: object) -> list[str]:
    return [name for name in events.TRIGGERS if registry.load(name).infer(event)]


@pytest.mark.parametrize(
    "event",
    [
        None,
        True,
        0,
        1.5,
        "text",
        "",
        [],
        [{}],
        {},
        {"requestContext": None},
        {"requestContext": {}},
        {"version": "2.0", "requestContext": None},
        {"httpMethod": "GET", "resource": "/", "requestContext": None},
    ],
)
def test_an_event_of_no_known_shape_is_a_direct_invocation(event: object) -> None:
    assert claimants(event) == []
    trigger = registry.select(event)
    assert trigger is registry.load("direct")
    facts = trigger.facts(event, events.KNOWN_METHODS)  # type: ignore[arg-type] # or anything
    assert (facts.name, facts.trigger, facts.attributes, facts.carrier) == (None, "other", {}, {})
    assert trigger.outcome({"statusCode": 500}).error_type == ""
