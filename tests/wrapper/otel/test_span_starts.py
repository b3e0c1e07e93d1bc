"""Development mode: the start of a span is sent while it runs."""

from __future__ import annotations

import pytest

from tests.wrapper.client import run

SOURCE = """
    from opentelemetry import trace
    {sdk}
    tracer = trace.get_tracer("mine")
    def handler(event, context):
        with tracer.start_as_current_span("outer"):
            with tracer.start_as_current_span("inner"):
                print("inside")
"""


@pytest.mark.parametrize("sdk", ["", "import opentelemetry.sdk.trace"])
def test_starts_of_spans_are_events(sdk: str) -> None:
    written = run(SOURCE.format(sdk=sdk), SERVERLESS_INSTRUMENT_DEV_MODE="true")
    outer, inner, inside = written.lines
    assert [outer.body, inner.body, inside.body] == ["outer", "inner", "inside"]
    assert outer.record.event_name == inner.record.event_name == "serverless_instrument.span.start"
    assert inner.record.span_id == inside.record.span_id
    parent = inner.attributes["serverless_instrument.parent_span_id"]
    assert parent == outer.record.span_id.hex()
    assert outer.scope == "mine"
    (root,) = written.spans
    assert outer.attributes["serverless_instrument.parent_span_id"] == root.span_id.hex()


def test_nothing_of_it_otherwise() -> None:
    assert run(SOURCE.format(sdk="")).bodies == ["inside"]
