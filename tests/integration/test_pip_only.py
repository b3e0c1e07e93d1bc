"""No layer: the package is pip-installed into the function and starts a forwarder itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument.local.otlp_receiver import Answer, OtlpReceiver
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.integration.emulator import WRAPPER, Emulators, attributes, invoke, spans
from tests.integration.scenario import Environment, Outcome, Step
from tests.integration.test_error_documents import comparable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

_LATE_S = 0.6

THREE = (invoke({"n": 1}), invoke({"n": 2}), invoke({"n": 3}))


class Installed:
    """Environments of the function that carries the package."""

    def __init__(self, task: Path, python: str, empty: Path) -> None:
        self.task = task
        self.wrapper = str(task / "serverless_instrument" / "wrapper" / "exec")
        self.python = python
        self._empty = empty

    def environment(
        self,
        handler: str,
        steps: tuple[Step, ...] = THREE,
        *,
        wrapper: str | None = None,
        opt: Path | None = None,
        **environ: str,
    ) -> Environment:
        """With our wrapper unless another, or none, is named; with no layer unless one is."""
        wrapper = self.wrapper if wrapper is None else wrapper
        wrapped = {"AWS_LAMBDA_EXEC_WRAPPER": wrapper} if wrapper else {}
        python = {"SERVERLESS_INSTRUMENT_LOCAL_PYTHON": self.python}
        variables = {**python, **wrapped, **environ}
        return Environment(handler, str(self.task), str(opt or self._empty), steps, variables)


@pytest.fixture(scope="module")
def installed(installed_task: Path, clean_python: str, emulators: Emulators) -> Installed:
    return Installed(installed_task, clean_python, emulators.layer.empty)


def invocation_spans(outcome: Outcome) -> list[Span]:
    return [span for _, _, span in spans(outcome.exports) if span.kind == Span.SPAN_KIND_SERVER]


@pytest.mark.parametrize(
    ("handler", "wrapped", "spans_each"),
    [("app.handler", True, 1), ("decorated.handler", False, 2), ("decorated.handler", True, 2)],
    ids=["wrapper", "decorator", "wrapper and decorator"],
)
def test_span_is_at_the_backend_before_the_invocation_is_over(
    emulators: Emulators, installed: Installed, handler: str, wrapped: bool, spans_each: int
) -> None:
    wrapper = None if wrapped else ""
    (outcome,) = emulators.run(installed.environment(handler, wrapper=wrapper))
    bodies = [json.loads(answer.body) for answer in outcome.answers]
    assert [(body["statusCode"], body["body"]) for body in bodies] == [(200, "tea")] * 3
    assert len({body["pid"] for body in bodies}) == 1
    delivered = [answer.delivered_spans for answer in outcome.answers]
    assert delivered == [spans_each, 2 * spans_each, 3 * spans_each], outcome.stderr
    assert [answer.forwarders for answer in outcome.answers] == [1, 1, 1]
    assert outcome.stderr == ""
    found = invocation_spans(outcome)
    assert [attributes(span.attributes)["faas.coldstart"] for span in found] == [True, False, False]
    assert outcome.emulator_exit == 0
    assert outcome.forwarders_left == 0


def test_helpers_work_without_opentelemetry(emulators: Emulators, installed: Installed) -> None:
    (outcome,) = emulators.run(
        installed.environment("decorated.handler", (invoke({}),), wrapper="")
    )
    found = {span.name: span for _, _, span in spans(outcome.exports)}
    assert set(found) == {"test_function", "brew"}
    assert found["brew"].parent_span_id == found["test_function"].span_id
    assert found["brew"].trace_id == found["test_function"].trace_id
    assert attributes(found["test_function"].attributes)["tea"] == "green"


def test_exception_is_the_functions_own(emulators: Emulators, installed: Installed) -> None:
    once = (invoke({}),)
    bare, wrapped, decorated = emulators.run(
        installed.environment("app.raises", once, wrapper=""),
        installed.environment("app.raises", once),
        installed.environment("decorated.raises", once, wrapper=""),
    )
    assert json.loads(bare.answers[0].body)["errorMessage"] == "on purpose"
    assert comparable(wrapped.answers[0].body) == comparable(bare.answers[0].body)
    assert comparable(wrapped.stdout) == comparable(bare.stdout)
    ours, theirs = (json.loads(outcome.answers[0].body) for outcome in (decorated, bare))
    assert (ours["errorType"], ours["errorMessage"]) == (theirs["errorType"], "on purpose")
    assert len(ours["stackTrace"]) == 1  # the function's own frame
    for outcome in (wrapped, decorated):
        (span,) = invocation_spans(outcome)
        assert span.status == Status(code=Status.STATUS_CODE_ERROR, message="on purpose")
        assert outcome.answers[0].delivered_spans == 1
    assert attributes(invocation_spans(decorated)[0].attributes)["team"] == "tea"


def test_function_finds_no_child_of_ours(emulators: Emulators, installed: Installed) -> None:
    once = (invoke({}),)
    bare, wrapped = emulators.run(
        installed.environment("app.waits_for_children", once, wrapper=""),
        installed.environment("app.waits_for_children", once),
    )
    seen = json.loads(wrapped.answers[0].body)
    assert seen == json.loads(bare.answers[0].body)
    assert seen["without"] == "no children"
    assert (seen["status"], seen["waited for its own"], seen["fork"]) == (3, True, [True, 5])
    assert wrapped.answers[0].delivered_spans == 1


def test_environment_shows_nothing_of_ours(emulators: Emulators, installed: Installed) -> None:
    once = (invoke({}),)
    bare, wrapped = emulators.run(
        installed.environment("app.looks", once, wrapper=""),
        installed.environment("app.looks", once),
    )
    assert json.loads(wrapped.answers[0].body) == json.loads(bare.answers[0].body)
    assert json.loads(wrapped.answers[0].body)["opentelemetry"] is False


def test_runtime_that_dies_gets_a_new_forwarder(emulators: Emulators, installed: Installed) -> None:
    steps = (invoke({}), invoke({"exit": True}), invoke({}), invoke({}))
    (outcome,) = emulators.run(installed.environment("app.exits_once", steps))
    first, died, second, third = outcome.answers
    assert "Runtime.ExitError" in died.body
    assert first.body != second.body  # process ids
    assert second.body == third.body
    # The new forwarder was there, and its predecessor delivered what it had and left.
    assert third.delivered_spans == 4
    assert [answer.forwarders for answer in (first, third)] == [1, 1]
    found = [attributes(span.attributes) for span in invocation_spans(outcome)]
    assert [span["faas.coldstart"] for span in found] == [True, False, True, False]
    assert found[1]["error.type"] == "Runtime.ExitError"
    assert outcome.forwarders_left == 0


def test_layer_and_package_together_instrument_once(
    emulators: Emulators, installed: Installed
) -> None:
    full = emulators.layer.full
    for environment in (
        installed.environment("app.handler", opt=full, wrapper=WRAPPER),
        installed.environment("app.handler", opt=full),
        installed.environment("decorated.raises", opt=full, wrapper=WRAPPER),
    ):
        (outcome,) = emulators.run(environment)
        assert [answer.delivered_spans for answer in outcome.answers] == [1, 2, 3]
        assert [answer.forwarders for answer in outcome.answers] == [1, 1, 1]
        assert outcome.forwarder_exits == (0,)
        assert outcome.stderr == ""
        assert outcome.forwarders_left == 0


def test_invocation_lasts_until_the_backend_has_answered(
    installed: Installed, layer_zip: Path
) -> None:
    """A slow backend: the caller has its answer, the environment waits with freezing."""

    async def scenario() -> tuple[float, float, int]:
        async with OtlpReceiver() as receiver:
            receiver.respond = _late
            config = LocalConfig(
                handler="app.handler",
                directory=installed.task,
                env={
                    "AWS_LAMBDA_EXEC_WRAPPER": installed.wrapper,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                },
                layer=layer_zip,
                python=installed.python,
                instrumented=False,
            )
            async with LocalLambda(config) as function:
                result = await function.invoke(b"{}")
                assert json.loads(result.response)["statusCode"] == 200
                await function.settled()
                return result.response_ms, result.duration_ms, len(receiver.raw)

    response_ms, duration_ms, requests = asyncio.run(asyncio.wait_for(scenario(), 90))
    assert requests == 2  # the trace, and the invocation's metrics
    assert duration_ms - response_ms > _LATE_S * 1000 / 2


async def _late(_path: str) -> Answer:
    await asyncio.sleep(_LATE_S)
    return 200, {}, b""
