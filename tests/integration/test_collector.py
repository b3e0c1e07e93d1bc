"""A real collector between the forwarder and the backend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, invoke, spans
from tests.integration.events import event
from tests.integration.scenario import COLLECTOR, RECORDING, Environment, Outcome

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def outcomes(emulators_with_collector: Emulators) -> dict[str, Outcome]:
    """The same invocations with the collector and without it."""
    payloads = (event("http_api_v2"), event("alb_multi"), event("http_api_v2", **{"raise": "tea"}))
    treatments = (COLLECTOR, RECORDING)
    environments = [
        Environment(
            handler="app.handler",
            task_root=str(FUNCTIONS / "web"),
            opt=str(emulators_with_collector.layer.full),
            steps=tuple(invoke(payload) for payload in payloads),
            environ={"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER, "AWS_REGION": "eu-central-1"},
            backend=treatment,
        )
        for treatment in treatments
    ]
    return dict(zip(treatments, emulators_with_collector.run(*environments), strict=True))


def in_order(outcome: Outcome) -> list[tuple[Resource, InstrumentationScope, Span]]:
    return sorted(spans(outcome.exports), key=lambda found: found[2].start_time_unix_nano)


def test_collector_passes_the_spans_on_unchanged(outcomes: dict[str, Outcome]) -> None:
    through = in_order(outcomes[COLLECTOR])
    directly = in_order(outcomes[RECORDING])
    assert len(through) == len(directly) == 3
    for (resource, scope, span), (direct_resource, direct_scope, direct_span) in zip(
        through, directly, strict=True
    ):
        assert resource == direct_resource
        assert scope == direct_scope
        # What differs from one invocation to the next.
        for one in (span, direct_span):
            assert one.span_id
            assert one.start_time_unix_nano < one.end_time_unix_nano
            one.ClearField("span_id")
            one.ClearField("start_time_unix_nano")
            one.ClearField("end_time_unix_nano")
            for recorded in one.events:
                recorded.ClearField("time_unix_nano")
            for attribute in one.attributes:
                if attribute.key == "faas.invocation_id":
                    attribute.value.Clear()
        assert span == direct_span


def test_collector_sends_what_the_handler_was_told(outcomes: dict[str, Outcome]) -> None:
    told = [json.loads(answer.body) for answer in outcomes[COLLECTOR].answers]
    ids = {
        attribute.value.string_value
        for _, _, span in spans(outcomes[COLLECTOR].exports)
        for attribute in span.attributes
        if attribute.key == "faas.invocation_id"
    }
    assert {json.loads(told[0]["body"])["request_id"], told[2]["requestId"]} < ids


def test_exports_came_by_the_collector(outcomes: dict[str, Outcome]) -> None:
    agents = {export.headers.get("user-agent", "") for export in outcomes[COLLECTOR].exports}
    assert not any("serverless-instrument" in agent for agent in agents)
    agents = {export.headers.get("user-agent", "") for export in outcomes[RECORDING].exports}
    assert all(agent.startswith("serverless-instrument/") for agent in agents)
