from __future__ import annotations

import json
import subprocess
import sys

import pytest

from serverless_instrument.wrapper.events import registry
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


# Two of one shape, and what an authorizer asks about.
ALSO_LOADED = {"function_url": {"http_api_v2"}, "authorizer_request_v1": {"rest_v1"}}
SELECT = """
import json, sys
from serverless_instrument.wrapper.events import registry
event = json.load(sys.stdin)
registry.select(event).facts(event, frozenset())
print(json.dumps([name.rpartition(".")[2] for name in sys.modules]))
"""


@pytest.mark.parametrize(
    "name",
    ["http_api_v2", "function_url", "authorizer_request_v1", "schedule", "direct", "appsync_batch"],
)
def test_only_the_file_of_the_claiming_trigger_is_loaded(name: str) -> None:
    event = events.load(name)
    chosen = registry.select(event).__name__.rpartition(".")[2]  # type: ignore[attr-defined] # a module
    done = subprocess.run(
        [sys.executable, "-c", SELECT],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert loaded & set(events.TRIGGERS) == {chosen} | ALSO_LOADED.get(name, set())
    assert "records_registry" not in loaded
