"""https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (X-Amz-Client-Context)."""

from __future__ import annotations

import copy
import sys
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext

from serverless_instrument.wrapper.events import client_context
from tests.wrapper import invocations
from tests.wrapper.triggers import events

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-01"
XRAY = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"


def context(client: dict[str, Any] | None) -> LambdaContext:
    client = copy.deepcopy(client)  # the runtime client takes w3c out of it
    return LambdaContext(invocations.REQUEST_ID, client, None, 0, invocations.ARN)


def parent(client: dict[str, Any] | None, event: object = None) -> str:
    invocation = invocations.invocation(event, context(client))
    span = invocations.start_span(invocation.start())
    return f"{span.trace_id.hex()}-{span.parent_span_id.hex()}" if span.parent_span_id else ""


@pytest.mark.parametrize(
    "client",
    [
        {"w3c": {"traceparent": TRACEPARENT, "tracestate": "a=b"}},
        {"custom": {"traceparent": TRACEPARENT}},
        {"custom": {"Traceparent": TRACEPARENT}},
        {"custom": {"X-Amzn-Trace-Id": XRAY}},
        {"custom": {"AWSTraceHeader": XRAY}},
        {"env": {"traceparent": TRACEPARENT}},
        {"env": {"_X_AMZN_TRACE_ID": XRAY}},
        {"env": {"traceparent": OTHER}, "custom": {"traceparent": TRACEPARENT}},
        {"custom": {"traceparent": OTHER}, "w3c": {"traceparent": TRACEPARENT}},
        {"client": {"app_title": "x"}, "custom": {"a": 1, "traceparent": TRACEPARENT}},
    ],
)
def test_the_callers_span_is_the_parent(client: dict[str, Any]) -> None:
    assert parent(client) == f"{TRACE}-{SPAN}"
    assert parent(client, {"traceparent": OTHER}) == f"{TRACE}-{SPAN}"


@pytest.mark.parametrize(
    "client",
    [
        None,
        {},
        {"custom": None, "env": None},
        {"custom": "traceparent", "env": []},
        {"custom": {"traceparent": 5, "trace": TRACEPARENT}},
        {"custom": {"baggage": "a=b"}},
        {"custom": {"traceparent": "00-0-0-00"}},
        {"w3c": "traceparent"},
    ],
)
def test_a_context_without_one_leaves_the_events(client: dict[str, Any] | None) -> None:
    assert parent(client) == ""
    assert parent(client, events.load("step_functions_task_carrier")) == (
        "" if client == {"custom": {"traceparent": "00-0-0-00"}} else f"{TRACE}-{SPAN}"
    )


def test_a_proxied_http_event_has_the_direct_callers_parent() -> None:
    client = {"custom": {"traceparent": OTHER}}
    assert parent(client, events.load("http_api_v2")).startswith("1" * 32)


def test_contexts_of_older_clients_and_of_tests() -> None:
    class Client:
        custom = {"traceparent": TRACEPARENT, 5: "x"}  # noqa: RUF012 - stands for an instance

    class Context:
        client_context = Client()

    assert client_context.carrier(Context()) == {"traceparent": TRACEPARENT}
    assert client_context.carrier(object()) == {}


def test_a_context_that_raises_costs_nothing_but_the_parent() -> None:
    class Context:
        client_context = object()

        def w3c(self) -> object:
            raise RuntimeError

    invocation = invocations.invocation(events.load("http_api_v2"), Context())
    assert invocations.start_span(invocation.start()).trace_id.hex() == TRACE


def test_nothing_is_loaded_without_a_client_context() -> None:
    sys.modules.pop(client_context.__name__, None)
    assert parent(None) == ""
    assert client_context.__name__ not in sys.modules
