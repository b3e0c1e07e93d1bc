"""Invocations that do not end: one span each, with what was open and why it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.integration.emulator import (
    FUNCTIONS,
    WRAPPER,
    Emulators,
    attributes,
    invoke,
    spans,
)
from tests.integration.local_function import Run, Traced, run
from tests.integration.scenario import Environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def failing(
    handler: str, layer_zip: Path, python: str, *events: object, timeout_s: float = 2
) -> Run:
    return run(
        handler,
        FUNCTIONS / "failing",
        *(events or ({},)),
        layer=layer_zip,
        python=python,
        timeout_s=timeout_s,
    )


def only(ran: Run) -> Traced:
    (invocation,) = ran.invocations()
    assert invocation.span.kind == Span.SPAN_KIND_SERVER
    assert invocation.span.status.code == Status.STATUS_CODE_ERROR
    return invocation


def stack(traced: Traced) -> str:
    (event,) = [event for event in traced.span.events if event.name == "exception"]
    return str(attributes(event.attributes)["exception.stacktrace"])


@pytest.mark.parametrize("handler", ["ending.hangs_in_spans", "ending.hangs_in_the_sdk"])
def test_a_timeout_shows_what_was_open_and_where(
    handler: str, layer_zip: Path, clean_python: str
) -> None:
    ran = failing(handler, layer_zip, clean_python)
    root = only(ran)
    assert root.attributes["error.type"] == "timeout"
    assert "where it hangs" in stack(root)
    assert "serverless_instrument" not in stack(root)
    named = {child.name: child for child in ran.children()}
    assert sorted(named) == ["ended", "inner", "outer"]
    assert "error.type" not in named["ended"].attributes
    for name, parent in (("outer", root), ("inner", named["outer"])):
        assert named[name].is_child_of(parent)
        assert named[name].attributes["error.type"] == "timeout"
        assert named[name].span.status.code == Status.STATUS_CODE_ERROR
        assert named[name].span.end_time_unix_nano == root.span.end_time_unix_nano
    lasted_s = (root.span.end_time_unix_nano - root.span.start_time_unix_nano) / 1e9
    assert 1.8 < lasted_s < 4
    check_lines(ran)


def test_a_timeout_of_code_that_holds_the_interpreter(layer_zip: Path, clean_python: str) -> None:
    ran = failing("ending.holds_the_interpreter", layer_zip, clean_python)
    assert only(ran).attributes["error.type"] == "timeout"
    assert [child.name for child in ran.children()] == ["ended"]
    check_lines(ran)


def test_one_that_ends_just_in_time_is_told_as_it_ended(layer_zip: Path, clean_python: str) -> None:
    ran = failing("ending.ends_just_in_time", layer_zip, clean_python)
    assert ran.answers == ("in time",)
    (root,) = ran.invocations()
    assert root.span.status == Status()
    assert not root.span.events
    (late,) = ran.children()
    assert late.span.status == Status()


@pytest.mark.parametrize("handler", ["ending.is_killed_in_a_span", "ending.exits_in_a_span"])
def test_a_runtime_that_dies_is_told_once(handler: str, layer_zip: Path, clean_python: str) -> None:
    ran = failing(handler, layer_zip, clean_python, {}, {})
    assert [root.attributes["error.type"] for root in ran.invocations()] == [
        "Runtime.ExitError"
    ] * 2
    assert [child.name for child in ran.children()] == ["ended"] * 2
    check_lines(ran, 2)


def check_lines(ran: Run, invocations: int = 1) -> None:
    """What each invocation wrote before it ended is there once, with its trace."""
    roots = [root.span for root in ran.invocations()]
    for line in ("logged before the end", "last words"):
        found = [record for record in ran.logs if record.body.string_value == line]
        assert [record.trace_id for record in found] == [root.trace_id for root in roots]
        assert len(found) == invocations


def test_an_init_that_fails_is_told_with_its_exception(layer_zip: Path, clean_python: str) -> None:
    ran = failing("import_value_error.handler", layer_zip, clean_python)
    root = only(ran)
    assert root.attributes["error.type"] == "ValueError"
    assert "import_value_error.py" in stack(root)
    first, second = [traced for traced in ran.init() if traced.name == "init"]
    assert not first.is_child_of(root)
    assert second.is_child_of(root)
    for traced in (first, second):
        assert traced.span.status.code == Status.STATUS_CODE_ERROR
        assert traced.attributes["error.type"] == "ValueError"


@pytest.mark.parametrize("handler", ["import_exit_at_once.handler", "import_is_killed.handler"])
def test_an_init_that_crashes_is_told_once(
    handler: str, layer_zip: Path, clean_python: str
) -> None:
    ran = failing(handler, layer_zip, clean_python, {}, {})
    roots = ran.invocations()
    assert [root.attributes["error.type"] for root in roots] == ["Runtime.ExitError"] * 2
    assert [root.span.status.code for root in roots] == [Status.STATUS_CODE_ERROR] * 2
    assert [answer["errorType"] for answer in ran.answers] == ["Runtime.ExitError"] * 2
    lines = [record.body.string_value for record in ran.logs]
    # Once in the init phase, and once in each invocation.
    assert lines.count("words of init") == (3 if handler == "import_is_killed.handler" else 0)


@pytest.mark.full
def test_an_init_that_takes_all_the_time(layer_zip: Path, clean_python: str) -> None:
    ran = failing("import_hangs.handler", layer_zip, clean_python)
    assert only(ran).attributes["error.type"] == "timeout"


def test_a_cold_start_is_a_span_with_its_parts(layer_zip: Path, clean_python: str) -> None:
    ran = failing("ending.sleeps_once", layer_zip, clean_python, {}, {})
    first, _ = ran.invocations()
    init, *parts = ran.init()
    assert init.is_child_of(first)
    assert init.attributes["faas.coldstart"] is True
    assert [part.name for part in parts] == ["init extensions", "init runtime", "init function"]
    assert all(part.is_child_of(init) for part in parts)
    assert init.span.start_time_unix_nano < first.span.start_time_unix_nano


def test_the_emulators_timeout_shows_what_was_open(emulators: Emulators) -> None:
    (outcome,) = emulators.run(
        Environment(
            "ending.hangs_in_spans",
            str(FUNCTIONS / "failing"),
            str(emulators.layer.full),
            (invoke({}),),
            {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER, "AWS_LAMBDA_FUNCTION_TIMEOUT": "2"},
        )
    )
    assert "Task timed out after 2.00 seconds" in outcome.answers[0].body
    named = {span.name: span for _, _, span in spans(outcome.exports)}
    assert {"ended", "inner", "outer"} < set(named)
    assert len(named) == 4
    (root,) = [span for name, span in named.items() if name not in ("ended", "inner", "outer")]
    assert attributes(root.attributes)["error.type"] == "timeout"
    (event,) = root.events
    assert "where it hangs" in str(attributes(event.attributes)["exception.stacktrace"])


def test_the_emulators_failed_init_is_told(emulators: Emulators) -> None:
    (outcome,) = emulators.run(
        Environment(
            "import_value_error.handler",
            str(FUNCTIONS / "failing"),
            str(emulators.layer.full),
            (invoke({}),),
            {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER},
        )
    )
    assert json.loads(outcome.answers[0].body)["errorType"] == "ValueError"
    found = [(span.name, span.status.code) for _, _, span in spans(outcome.exports)]
    assert ("init", Status.STATUS_CODE_ERROR) in found
