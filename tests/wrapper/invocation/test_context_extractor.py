"""A function of the user's that finds the trace context, in a process as Lambda would run it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wrapper.program import run

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SETTING = "SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR"
HANDLER = """
    def handler(event, context):
        return None
"""
EVENT = {"meta": {"trace": TRACEPARENT}}
HEADERS = """
    def find(event, context):
        return {"TraceParent": event["meta"]["trace"], "x": 5}
"""
OTEL_CONTEXT = """
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    def find(event, context):
        return TraceContextTextMapPropagator().extract({"traceparent": event["meta"]["trace"]})
"""
SPAN_CONTEXT = """
    from opentelemetry import trace
    def find(event, context):
        _, trace_id, span_id, _ = event["meta"]["trace"].split("-")
        return trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(1))
"""
OTHER = """
    def find(event, context):
        return {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
"""


def outcome_of(source: str, event: object = EVENT, *log: str, setting: str = "app:find") -> Any:
    return run((source, HANDLER), [event], log=log, SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR=setting)


@pytest.mark.parametrize("source", [HEADERS, OTEL_CONTEXT, SPAN_CONTEXT])
def test_what_it_finds_is_the_parent(source: str) -> None:
    span = outcome_of(source).invocation.span
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


def test_it_may_be_in_another_module() -> None:
    outcome = run(
        HANDLER,
        [EVENT],
        files={"tracing/context.py": HEADERS},
        SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR="tracing.context:find",
    )
    assert outcome.invocation.span.parent_span_id.hex() == PARENT


def request() -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "headers": {"traceparent": TRACEPARENT},
        "requestContext": {"http": {"method": "GET", "path": "/"}},
    }


def test_it_counts_before_what_the_event_says() -> None:
    assert outcome_of(OTHER, request()).invocation.span.trace_id.hex() == "a" * 32


@pytest.mark.parametrize("result", ["None", "{}", "{'traceparent': 'nonsense'}"])
def test_the_event_counts_where_it_finds_nothing(result: str) -> None:
    source = f"""
    def find(event, context):
        return {result}
    """
    assert outcome_of(source, request()).invocation.span.trace_id.hex() == TRACE


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ("event['none']", "KeyError: 'none'"),
        ("5", "AttributeError: 'int' object has no attribute 'items'"),
    ],
)
def test_one_that_fails_is_told_once_and_costs_nothing(result: str, problem: str) -> None:
    source = f"""
    def find(event, context):
        return {result}
    """
    outcome = run(
        (source, HANDLER),
        [request(), request()],
        log=[f"serverless-instrument: {SETTING} fails: {problem}"],
        SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR="app:find",
    )
    assert [sent.span.trace_id.hex() for sent in outcome.invocations] == [TRACE, TRACE]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("app:none", "AttributeError: module 'app' has no attribute 'none'"),
        ("none:find", "ModuleNotFoundError: No module named 'none'"),
        ("app", "AttributeError: module 'app' has no attribute ''"),
        (":find", "ValueError: Empty module name"),
        ("app:constant", "TypeError: it is not callable"),
    ],
)
def test_one_that_cannot_be_loaded_is_told(setting: str, problem: str) -> None:
    text = f'{SETTING}="{setting}" cannot be used ({problem}); write "module:function"'
    outcome = outcome_of(
        "constant = 5", request(), f"serverless-instrument: {text}", setting=setting
    )
    assert outcome.invocation.span.trace_id.hex() == TRACE
