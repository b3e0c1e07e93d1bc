from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from serverless_instrument.wrapper.otel.sdk_processor import processor, record_of, scope_of
from serverless_instrument.wrapper.records import record_encoder, records
from tests.wrapper import decoded

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

UNLIMITED = records.Limits(None, None, None, None, None, None)


def finished() -> ReadableSpan:
    """A span with every kind of part, over its limits."""
    logging.getLogger("opentelemetry.attributes").setLevel(logging.CRITICAL)
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "x"}),
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=3,
            max_events=2,
            max_links=1,
            max_event_attributes=1,
            max_link_attributes=2,
        ),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    state = trace.TraceState([("k", "v")])
    remote = SpanContext(0xA, 0xB, True, TraceFlags(3), state)
    tracer = provider.get_tracer("scope", "1.0", "https://schema", {"of": "the scope"})
    parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    span = tracer.start_span(
        "name",
        context=parent,
        kind=SpanKind.CONSUMER,
        attributes={f"a{n}": [n, n + 1] for n in range(5)},
        links=[Link(remote, {"l": n, "m": n, "n": n}) for n in range(3)],
        start_time=10,
    )
    for n in range(4):
        span.add_event(f"e{n}", {"a": n, "b": True}, n)
    span.set_status(StatusCode.ERROR, "why")
    span.end(20)
    (ended,) = exporter.get_finished_spans()
    return ended


def test_the_same_message_as_the_official_encoder_makes() -> None:
    ended = finished()
    official = encode_spans([ended]).resource_spans[0].scope_spans[0]
    ours = decoded.span(record_encoder.span(record_of(ended), UNLIMITED))
    assert (ours.flags, ours.links[0].flags, ours.links[0].trace_state) == (0x303, 0x303, "k=v")
    # The official encoder omits the W3C flags, and a link's trace state.
    ours.flags &= ~0xFF
    for link in ours.links:
        link.flags &= ~0xFF
        link.trace_state = ""
    assert ours == official.spans[0]
    scope = decoded.exported(b"", scope_of(ended.instrumentation_scope), b"")
    told = scope.resource_spans[0].scope_spans[0]
    assert (told.scope, told.schema_url) == (official.scope, official.schema_url)


def test_what_was_dropped_is_told() -> None:
    span = decoded.span(record_encoder.span(record_of(finished()), UNLIMITED))
    assert span.dropped_attributes_count == 2
    assert (span.dropped_events_count, span.dropped_links_count) == (2, 2)
    assert [event.dropped_attributes_count for event in span.events] == [1, 1]
    assert [link.dropped_attributes_count for link in span.links] == [1]


def test_a_scope_that_is_none() -> None:
    told = decoded.exported(b"", scope_of(None), b"").resource_spans[0].scope_spans[0]
    assert (told.scope.name, told.schema_url) == ("", "")


def test_what_is_done_with_a_span_never_raises_in_the_function() -> None:
    def failing(span: ReadableSpan) -> None:
        raise RuntimeError(span.name)

    processor(failing, {}).on_end(finished())


def test_each_finished_span_at_once() -> None:
    seen: list[str] = []
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(processor(lambda span: seen.append(span.name), {}))
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer"):
        tracer.start_span("inner").end()
        assert seen == ["inner"]
    assert seen == ["inner", "outer"]
    assert provider.force_flush()
    provider.shutdown()


@pytest.mark.parametrize("sampled", [True, False])
def test_flags(sampled: bool) -> None:
    seen: list[ReadableSpan] = []
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(processor(seen.append, {}))
    for remote in (True, False):
        context = SpanContext(0xA, 0xB, remote, TraceFlags(1 if sampled else 0))
        parent = trace.set_span_in_context(trace.NonRecordingSpan(context))
        provider.get_tracer("t").start_span("s", context=parent).end()
    # The SDK drops children of a parent that is not sampled.
    expected = [0x301, 0x101] if sampled else []
    assert [record_of(span).flags for span in seen] == expected
