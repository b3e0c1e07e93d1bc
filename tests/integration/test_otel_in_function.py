"""A function that uses OpenTelemetry itself, with the built layer and the real runtime client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.integration.emulator import FUNCTIONS
from tests.integration.local_function import Run, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

SPANS = 5000


class Function:
    """The function, behind the layer or without."""

    def __init__(self, layer: Path, python: str) -> None:
        self._layer, self._python = layer, python

    def __call__(self, handler: str, *events: object, bare: bool = False, **environ: str) -> Run:
        return run(
            handler,
            FUNCTIONS / "otel",
            *(events or ({},)),
            layer=None if bare else self._layer,
            python=self._python,
            environ=environ,
        )


@pytest.fixture(scope="module")
def function(layer_zip: Path, clean_python: str) -> Function:
    return Function(layer_zip, clean_python)


def test_spans_of_the_function_belong_to_the_invocation(function: Function) -> None:
    outcome = function("app.handler", {}, {})
    assert outcome.answers == (False, False)  # the API alone: no SDK for it
    first, second = outcome.invocations()
    assert first.span.trace_id != second.span.trace_id
    for invocation in (first, second):
        assert invocation.attributes["user.id"] == 42
        spans = [s for s in outcome.children() if s.span.trace_id == invocation.span.trace_id]
        tax, price = spans
        assert (tax.name, price.name) == ("tax", "price")
        assert price.is_child_of(invocation)
        assert tax.is_child_of(price)
        assert price.attributes == {"items": 3}
        assert price.scope == "shop"
        assert price.resource == invocation.resource
    assert outcome.ours == []


@pytest.mark.parametrize("sdk", [False, True])
def test_every_one_of_5000_spans_arrives(function: Function, sdk: bool) -> None:
    handler = "with_sdk_many.handler" if sdk else "app.many"
    outcome = function(handler, {"spans": SPANS})
    assert outcome.answers == (SPANS,)
    numbers = [span.attributes["number"] for span in outcome.children()]
    assert sorted(map(str, numbers)) == sorted(map(str, range(SPANS)))
    assert len(outcome.invocations()) == 1
    assert outcome.ours == []


def test_import_inside_the_handler(function: Function) -> None:
    outcome = function("late.handler", {}, {})
    assert outcome.answers == (False, True)
    for invocation, child in zip(outcome.invocations(), outcome.children(), strict=True):
        assert invocation.attributes["late"] is True
        assert child.is_child_of(invocation)


@pytest.mark.parametrize(
    ("handler", "names"),
    [("app.in_thread", {"in thread"}), ("app.in_tasks", {"task 0", "task 1", "task 2"})],
)
def test_context_goes_along(function: Function, handler: str, names: set[str]) -> None:
    outcome = function(handler)
    (invocation,) = outcome.invocations()
    assert {span.name for span in outcome.children()} == names
    assert all(span.is_child_of(invocation) for span in outcome.children())


def test_processors_of_the_function_see_its_spans_and_the_backend_too(function: Function) -> None:
    outcome = function("app.with_sdk", {}, {})
    first, second = outcome.answers
    assert "seen twice" in first
    assert second.count("seen twice") == 2
    invocations, children = outcome.invocations(), outcome.children()
    assert [span.name for span in children] == ["seen twice"] * 2
    for invocation, child in zip(invocations, children, strict=True):
        assert child.is_child_of(invocation)
    assert outcome.ours == []


def test_provider_of_the_function_is_its_own(function: Function) -> None:
    outcome = function("own_provider.handler", {}, {})
    assert [own for own, _ in outcome.answers] == [True, True]
    invocations, children = outcome.invocations(), outcome.children()
    for invocation, child in zip(invocations, children, strict=True):
        assert child.is_child_of(invocation)
        assert (child.resource["service.name"], child.resource["team"]) == ("own", "tea")
        assert child.resource["cloud.platform"] == "aws_lambda"
    assert outcome.ours == []


def test_exception_marks_both_spans(function: Function) -> None:
    outcome = function("app.fails_in_span")
    (answer,) = outcome.answers
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no price")
    (frame,) = answer["stackTrace"]
    assert "fails_in_span" in frame
    (invocation,), (child,) = outcome.invocations(), outcome.children()
    for traced in (invocation, child):
        assert traced.span.status.code == Status.STATUS_CODE_ERROR
        assert [event.name for event in traced.span.events] == ["exception"]


@pytest.mark.parametrize(
    ("handler", "error_type"),
    [("endings.exits", "SystemExit"), ("endings.interrupts", "KeyboardInterrupt")],
)
def test_runtime_that_ends_is_recorded(function: Function, handler: str, error_type: str) -> None:
    outcome, bare = function(handler), function(handler, bare=True)
    assert outcome.runtime_exit == bare.runtime_exit
    assert outcome.answers[0]["errorType"] == bare.answers[0]["errorType"]
    (invocation,) = outcome.invocations()
    assert invocation.span.status.code == Status.STATUS_CODE_ERROR
    assert invocation.attributes["error.type"] == error_type
    assert outcome.ours == []


@pytest.mark.parametrize("handler", ["awaits", "yields", "yields_later"])
def test_result_that_cannot_be_sent_is_recorded(function: Function, handler: str) -> None:
    outcome, bare = function(f"endings.{handler}"), function(f"endings.{handler}", bare=True)
    ours, theirs = (run.answers[0] | {"requestId": ""} for run in (outcome, bare))
    assert ours == theirs
    (invocation,) = outcome.invocations()
    assert invocation.span.status.code == Status.STATUS_CODE_ERROR
    assert invocation.attributes["error.type"] == ours["errorType"] == "Runtime.MarshalError"
    assert invocation.span.status.message == ours["errorMessage"]
    # Python's own word on a coroutine, which points at the mistake, is still heard.
    heard = [sum("never awaited" in line for line in run.said) for run in (outcome, bare)]
    assert heard == [handler == "awaits"] * 2


def test_function_without_opentelemetry_gets_none(function: Function) -> None:
    outcome = function("endings.plain")
    assert outcome.answers == ("fine",)
    assert (len(outcome.invocations()), outcome.children()) == (1, [])
