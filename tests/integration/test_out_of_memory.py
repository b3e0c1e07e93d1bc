"""A function that outgrows its memory: one span that says so, and all that ended before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.integration.emulator import FUNCTIONS, attributes
from tests.integration.local_function import Run, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

_LIMIT_MB = 256


def failing(
    handler: str, layer: Path | None, python: str, *events: object, memory_mb: int = 0
) -> Run:
    directory = FUNCTIONS / "failing"
    return run(handler, directory, *events, layer=layer, python=python, memory_mb=memory_mb)


def test_a_kill_for_memory_is_told_once_with_what_ended_before(
    layer_zip: Path, clean_python: str
) -> None:
    events: tuple[object, ...] = ({}, {"spare": True}, {})
    handler = "ending.outgrows_its_memory"
    ran = failing(handler, layer_zip, clean_python, *events, memory_mb=_LIMIT_MB)
    for answer in (ran.answers[0], ran.answers[2]):
        assert answer["errorType"] == "Runtime.OutOfMemory"
        assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert ran.answers[1] == "spared"
    killed, spared, again = ran.invocations()
    for root in (killed, again):
        assert root.span.kind == Span.SPAN_KIND_SERVER
        assert root.span.status.code == Status.STATUS_CODE_ERROR
        assert root.attributes["error.type"] == "Runtime.OutOfMemory"
        assert root.span.start_time_unix_nano < root.span.end_time_unix_nano
    assert spared.span.status == Status()
    # The environment is a new one after a kill.
    assert spared.attributes["faas.coldstart"] is True
    assert [child.name for child in ran.children()] == ["ended", "ended"]
    for child, root in zip(ran.children(), (killed, again), strict=True):
        assert child.is_child_of(root)
        assert child.span.status == Status()
    lines = [record.body.string_value for record in ran.logs]
    assert lines.count("logged before the end") == 2
    assert lines.count("last words") == 2
    assert ran.ours == []


def test_memory_that_init_outgrows(layer_zip: Path, clean_python: str) -> None:
    ran = failing(
        "import_outgrows_memory.handler", layer_zip, clean_python, {}, memory_mb=_LIMIT_MB
    )
    assert ran.answers[0]["errorType"] == "Runtime.OutOfMemory"
    (root,) = ran.invocations()
    assert root.span.status.code == Status.STATUS_CODE_ERROR
    assert root.attributes["error.type"] == "Runtime.OutOfMemory"


def test_a_memory_error_is_an_exception_like_any_other(layer_zip: Path, clean_python: str) -> None:
    handler = "ending.outgrows_its_address_space"
    ran = failing(handler, layer_zip, clean_python, {}, {})
    bare = failing(handler, None, clean_python, {}, {})
    assert _documents(ran) == _documents(bare)
    assert [document["errorType"] for document in ran.answers] == ["MemoryError"] * 2
    first, second = ran.invocations()
    for root in (first, second):
        assert root.span.status.code == Status.STATUS_CODE_ERROR
        assert root.attributes["error.type"] == "MemoryError"
        (event,) = root.span.events
        stack = str(attributes(event.attributes)["exception.stacktrace"])
        assert "in takes" in stack
        assert "serverless_instrument" not in stack
    # The runtime lives on: the environment is the same.
    assert second.attributes["faas.coldstart"] is False
    assert ran.runtime_exit is None


def _documents(ran: Run) -> list[str]:
    return [json.dumps({**answer, "requestId": ""}) for answer in ran.answers]
