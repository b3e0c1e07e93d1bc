"""A container image: our script is the ENTRYPOINT, before the runtime client's command.

https://docs.aws.amazon.com/lambda/latest/dg/python-image.html#python-image-clients
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.integration.emulator import Emulators, attributes, invoke, spans
from tests.integration.scenario import Environment, Step
from tests.integration.test_error_documents import comparable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

THREE = (invoke({"n": 1}), invoke({"n": 2}), invoke({"n": 3}))


class Image:
    """An image with the function and the package in one directory, and a Python beside it."""

    def __init__(self, task: Path, python: str, empty: Path) -> None:
        self.task, self.python, self.empty = task, python, empty
        self.script = str(task / "serverless_instrument" / "wrapper" / "exec")

    def run(self, handler: str, steps: tuple[Step, ...] = THREE, *entry: str) -> Environment:
        """ENTRYPOINT `entry` and the client's module, CMD `handler`; by default our script."""
        command = (*(entry or (self.script,)), self.python, "-m", "awslambdaric", handler)
        return Environment(handler, str(self.task), str(self.empty), steps, command=command)

    def bare(self, handler: str, steps: tuple[Step, ...] = THREE) -> Environment:
        """The same without our script; env(1) changes nothing."""
        return self.run(handler, steps, "env")


@pytest.fixture(scope="module")
def image(installed_task: Path, clean_python: str, emulators: Emulators) -> Image:
    return Image(installed_task, clean_python, emulators.layer.empty)


def test_entry_point_instruments_the_command(emulators: Emulators, image: Image) -> None:
    (outcome,) = emulators.run(image.run("app.handler"))
    bodies = [json.loads(answer.body) for answer in outcome.answers]
    assert [(body["statusCode"], body["body"]) for body in bodies] == [(200, "tea")] * 3
    assert [answer.delivered_spans for answer in outcome.answers] == [1, 2, 3], outcome.stderr
    assert [answer.forwarders for answer in outcome.answers] == [1, 1, 1]
    assert outcome.stderr == ""
    assert outcome.forwarders_left == 0
    cold = [attributes(span.attributes)["faas.coldstart"] for _, _, span in spans(outcome.exports)]
    assert cold == [True, False, False]


@pytest.mark.parametrize(
    "handler", ["app.raises", "app.missing", "missing.handler", "decorated.raises"]
)
def test_errors_are_the_functions_own(emulators: Emulators, image: Image, handler: str) -> None:
    once = (invoke({}),)
    bare, ours = emulators.run(image.bare(handler, once), image.run(handler, once))
    assert comparable(ours.answers[0].body) == comparable(bare.answers[0].body)
    assert comparable(ours.stdout) == comparable(bare.stdout)
    assert "errorType" in ours.answers[0].body
    found = [(span.name, span.status.code) for _, _, span in spans(ours.exports)]
    if handler.endswith("raises"):
        assert found == [("test_function", Status.STATUS_CODE_ERROR)]
    else:  # no invocation began: what failed is the init
        # The forwarder, started by the runtime, may be there only after the import has failed; then
        # it cannot tell the runtime's part.
        runtime = ("init runtime", Status.STATUS_CODE_UNSET)
        assert [part for part in found if part != runtime] == [
            ("init", Status.STATUS_CODE_ERROR),
            ("init function", Status.STATUS_CODE_ERROR),
        ]


def test_handler_is_the_functions_own(emulators: Emulators, image: Image) -> None:
    once = (invoke({}),)
    bare, ours = emulators.run(image.bare("app.looks", once), image.run("app.looks", once))
    assert json.loads(ours.answers[0].body) == json.loads(bare.answers[0].body)
    assert json.loads(ours.answers[0].body)["_HANDLER"] == "app.looks"
    assert len(spans(ours.exports)) == 1


def test_command_with_options_for_python(emulators: Emulators, image: Image) -> None:
    (outcome,) = emulators.run(
        Environment(
            "app.handler",
            str(image.task),
            str(image.empty),
            (invoke({}),),
            command=(image.script, image.python, "-X", "utf8", "-m", "awslambdaric", "app.handler"),
        )
    )
    assert json.loads(outcome.answers[0].body)["body"] == "tea"
    assert len(spans(outcome.exports)) == 1
