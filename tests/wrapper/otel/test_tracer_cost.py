"""Many spans in one invocation, and the cost of one."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.wrapper.program import run

COUNT = 5000
BATCH = 100
MANY = """
    import time
    from opentelemetry import trace
    tracer = trace.get_tracer("t")
    def took_us(tracer, count, batch):
        took, began_ns = [], time.thread_time_ns()
        for number in range(count):
            with tracer.start_as_current_span("work", attributes={"number": number}) as span:
                span.set_attribute("text", "some text")
                span.set_attribute("ratio", 0.5)
            if (number + 1) % batch == 0:
                now_ns = time.thread_time_ns()
                took.append((now_ns - began_ns) / 1000 / batch)
                began_ns = now_ns
        return sorted(took)
    def handler(event, context):
        ours = took_us(tracer, event["count"], event["batch"])
        from opentelemetry.sdk.trace import TracerProvider
        bare = took_us(TracerProvider().get_tracer("t"), event["count"], event["batch"])
        return ours, bare[0]
"""
# A span with three attributes, from its start to the socket, in processor time. The best batch
# counts, as other load on the machine costs caches and clock. Python 3.10 is slower by half.
BUDGET_US = 60 if sys.version_info >= (3, 11) else 90
# The SDK's span without any processor takes 26 us where the budget is meant; on a machine that is
# busy, or slower, both take more.
BARE_US = 26


@pytest.mark.parametrize("line", ["", "import opentelemetry.sdk.trace"], ids=["api", "sdk"])
def test_all_of_many_spans_arrive(line: str) -> None:
    outcome: Any = run((line, MANY), [{"count": COUNT, "batch": BATCH}])
    root = outcome.invocation.span
    assert [sent.attributes["number"] for sent in outcome.spans] == list(range(COUNT))
    assert {sent.span.parent_span_id for sent in outcome.spans} == {root.span_id}
    assert len({sent.span.span_id for sent in outcome.spans}) == COUNT


@pytest.mark.timing
@pytest.mark.parametrize("line", ["", "import opentelemetry.sdk.trace"], ids=["api", "sdk"])
def test_what_a_span_costs(line: str) -> None:
    outcome: Any = run((line, MANY), [{"count": COUNT, "batch": BATCH}])
    ours_us, bare_us = outcome.result
    best_us, median_us = ours_us[0], ours_us[COUNT // BATCH // 2]
    sys.stdout.write(
        f"{best_us:.1f} us a span at best, {median_us:.1f} us in the middle, "
        f"{bare_us:.1f} us the SDK's alone\n"
    )
    assert best_us <= BUDGET_US * max(1, bare_us / BARE_US)
