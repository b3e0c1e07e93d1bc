from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.triggers import simple_sources
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


DIRECTORY = Path(simple_sources.__file__).parent
TRIGGER_FILES = {path.stem for path in DIRECTORY.glob("*.py")} - {"__init__"}
# By event: the file of its trigger, and those that the trigger is built on.
LOADED_FILES = {
    "http_api_v2": {"http_api_v2"},
    "function_url": {"function_url", "http_api_v2"},
    "authorizer_request_v1": {"api_authorizer", "rest_v1"},
    "schedule": {"schedule"},
    "direct": {"direct"},
    "appsync_batch": {"appsync"},
    "lex_v2": {"simple_sources"},
}
SELECT = """
import json, sys
from serverless_instrument.wrapper.events import registry
event = json.load(sys.stdin)
registry.select(event).facts(event, frozenset())
names = [name.partition("wrapper.triggers.")[2] or name for name in sys.modules]
print(json.dumps(names))
"""


@pytest.mark.parametrize("name", LOADED_FILES)
def test_only_the_file_of_the_claiming_trigger_is_loaded(name: str) -> None:
    event = events.load(name)
    done = subprocess.run(
        [sys.executable, "-c", SELECT],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert loaded & TRIGGER_FILES == LOADED_FILES[name]
    assert "serverless_instrument.wrapper.events.records_registry" not in loaded


def test_the_registry_knows_every_row_and_every_file() -> None:
    assert set(registry.SIMPLE_SOURCES) == set(simple_sources.TRIGGERS)
    files = set(events.TRIGGERS) - set(registry.SIMPLE_SOURCES)
    assert files | {"simple_sources"} == TRIGGER_FILES
