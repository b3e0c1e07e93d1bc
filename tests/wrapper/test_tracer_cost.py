"""Many spans in one invocation, and what one costs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wrapper.program import run

COUNT = 5000
MANY = """
    import time
    from opentelemetry import trace
    tracer = trace.get_tracer("t")
    def handler(event, context):
        took_ns = []
        for number in range(event["count"]):
            begin_ns = time.perf_counter_ns()
            with tracer.start_as_current_span("work", attributes={"number": number}) as span:
                span.set_attribute("text", "some text")
                span.set_attribute("ratio", 0.5)
            took_ns.append(time.perf_counter_ns() - begin_ns)
        took_ns.sort()
        return [took_ns[len(took_ns) // 4] / 1000, took_ns[len(took_ns) // 2] / 1000]
"""
# A span with three attributes, start to socket. Held to the lower quartile: with other processes on
# the machine, half of the spans wait for the one that reads the socket.
BUDGET_US = 60


@pytest.mark.parametrize("line", ["", "import opentelemetry.sdk.trace"], ids=["api", "sdk"])
def test_all_of_many_spans_arrive(line: str, record_property: Any) -> None:
    outcome: Any = run((line, MANY), [{"count": COUNT}])
    root = outcome.invocation.span
    assert [sent.attributes["number"] for sent in outcome.spans] == list(range(COUNT))
    assert {sent.span.parent_span_id for sent in outcome.spans} == {root.span_id}
    assert len({sent.span.span_id for sent in outcome.spans}) == COUNT
    quartile_us, median_us = outcome.result
    record_property("quartile_us", quartile_us)
    record_property("median_us", median_us)
    if not line:
        assert quartile_us <= BUDGET_US
