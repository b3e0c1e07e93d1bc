"""Invocations that end badly still leave their span; environments that freeze lose none."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.integration.emulator import (
    FUNCTIONS,
    WRAPPER,
    Emulators,
    Value,
    attributes,
    invoke,
    log_records,
    spans,
)
from tests.integration.events import event
from tests.integration.scenario import RECORDING, Environment, Outcome
from tests.servers.relayed_backend import serve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def run(emulators: Emulators, handler: str, *events: object, **environ: str) -> Outcome:
    (outcome,) = emulators.run(
        Environment(
            handler,
            str(FUNCTIONS / "failing"),
            str(emulators.layer.full),
            tuple(invoke(event) for event in events),
            {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER, **environ},
        )
    )
    return outcome


def only_span(outcome: Outcome) -> tuple[Span, dict[str, Value]]:
    ((_, _, span),) = spans(outcome.exports)
    return span, attributes(span.attributes)


@pytest.mark.parametrize("handler", ["app.exits_at_once", "ending.is_killed"])
def test_runtime_that_dies_leaves_its_span(emulators: Emulators, handler: str) -> None:
    outcome = run(emulators, handler, event("http_api_v2"))
    assert "Runtime.ExitError" in outcome.answers[0].body
    span, found = only_span(outcome)
    assert (span.name, span.kind) == ("GET /items/{id}", Span.SPAN_KIND_SERVER)
    assert span.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert found["error.type"] == "Runtime.ExitError"
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano


def test_timeout_leaves_a_span_that_says_so(emulators: Emulators) -> None:
    outcome = run(
        emulators,
        "ending.sleeps_once",
        {"sleep": True},
        {},
        AWS_LAMBDA_FUNCTION_TIMEOUT="2",
    )
    assert "Task timed out after 2.00 seconds" in outcome.answers[0].body
    assert json.loads(outcome.answers[1].body) == "awake"
    late, next_one = (span for _, _, span in spans(outcome.exports))
    assert late.status.code == Status.STATUS_CODE_ERROR
    assert attributes(late.attributes)["error.type"] == "timeout"
    # The emulator's two seconds begin with the environment's start.
    assert late.end_time_unix_nano - late.start_time_unix_nano > 500_000_000
    # The platform starts the environment anew after a timeout.
    assert next_one.status == Status()
    assert attributes(next_one.attributes)["faas.coldstart"] is True


def test_exit_is_recorded_as_the_exception_it_is(emulators: Emulators) -> None:
    span, found = only_span(run(emulators, "app.exits_3", {}))
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert found["error.type"] == "SystemExit"
    assert attributes(span.events[0].attributes)["exception.message"] == "3"


def test_handler_that_cannot_be_called_is_recorded(emulators: Emulators) -> None:
    span, found = only_span(run(emulators, "app.takes_nothing", {}))
    assert found["error.type"] == "TypeError"
    stacktrace = str(attributes(span.events[0].attributes)["exception.stacktrace"])
    assert "serverless_instrument" not in stacktrace


def test_exception_as_a_log_event_where_asked_for(emulators: Emulators) -> None:
    outcome = run(emulators, "app.raises", {}, OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN="logs")
    span, _ = only_span(outcome)
    assert not span.events
    # Beside the runtime client's own line of the error.
    (record,) = [record for record in log_records(outcome.exports) if record.event_name]
    assert record.event_name == "faas.invocation.exception"
    assert record.severity_number == 17
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
    found = attributes(record.attributes)
    assert found["exception.type"] == "ValueError"
    assert found["exception.message"] == "on purpose"


def test_every_span_is_delivered_before_the_freeze(layer_zip: Path) -> None:
    """And the connection that the backend dropped meanwhile is noticed after it."""

    async def scenario() -> list[int]:
        delivered = []
        async with serve(RECORDING) as backend:
            config = LocalConfig(
                handler="plain.handler",
                directory=FUNCTIONS / "web",
                env={"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url},
                layer=layer_zip,
            )
            async with LocalLambda(config) as function:
                payload = json.dumps(event("http_api_v2")).encode()
                for _ in range(5):
                    result = await function.invoke(payload)
                    assert json.loads(result.response or b"")["statusCode"] == 200
                    await function.settled()
                    # Runtime and forwarder are stopped now: neither sees this.
                    found = [span.name for _, _, span in spans(backend.exports())]
                    delivered.append(len([name for name in found if not name.startswith("init")]))
                    backend.cut_connections()
                await function.shutdown()
                assert function.extension_exit_code == 0
                said = [text for source, text in function.log_lines if source == "extension"]
                assert said == []
        return delivered

    assert asyncio.run(scenario()) == [1, 2, 3, 4, 5]
