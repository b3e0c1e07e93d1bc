"""The same span through OpenTelemetry's own exporter encoding, where the two can be compared."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from serverless_instrument import wire
from serverless_instrument.wrapper.records import encoder, record_encoder, records
from tests.wrapper import decoded

SCALAR = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
# The SDK admits homogeneous sequences and, since 1.3x, nested values; bytes are text to some
# of its releases.
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(st.text(min_size=1), VALUE, max_size=5)
IDS = st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1))
TIME = st.integers(1, 2**63 - 1)


@settings(max_examples=settings().max_examples // 2)
@given(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES, IDS, TIME, st.text(min_size=1))
def test_a_span_is_encoded_as_the_exporter_does(
    of_span: dict[str, object],
    of_event: dict[str, object],
    of_link: dict[str, object],
    ids: tuple[int, int],
    time_unix_ns: int,
    name: str,
) -> None:
    trace_id, span_id = ids[0].to_bytes(16, "big"), ids[1].to_bytes(8, "big")
    ours = records.Span(name, records.KIND_SERVER, trace_id, span_id, time_unix_ns, of_span)
    ours.end_unix_ns = time_unix_ns + 1
    ours.events = [records.Event(name, time_unix_ns, of_event)]
    ours.links = [records.Link(trace_id, span_id, "k=v", 0x101, of_link)]
    ours.status_code, ours.status_message = records.STATUS_ERROR, "boom"
    context = SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(1))
    theirs = ReadableSpan(
        name,
        context,
        resource=Resource({"service.name": "s"}),
        attributes=of_span,  # type: ignore[arg-type] # wider than the SDK's annotation
        events=[Event(name, of_event, time_unix_ns)],  # type: ignore[arg-type] # as above
        links=[Link(context, of_link)],  # type: ignore[arg-type] # as above
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR, "boom"),
        start_time=time_unix_ns,
        end_time=time_unix_ns + 1,
        instrumentation_scope=InstrumentationScope("scope", "1"),
    )
    request = decoded.exported(
        encoder.resource({"service.name": "s"}),
        encoder.scope("scope", "1"),
        encoder.item(record_encoder.span(ours, records.Limits())),
    )
    expected = encode_spans([theirs])
    for span in expected.resource_spans[0].scope_spans[0].spans:
        # The exporter leaves out what opentelemetry/proto/trace/v1/trace.proto has room for.
        span.flags |= 1
        span.links[0].flags |= 1
        span.links[0].trace_state = "k=v"
    assert request == expected


def test_our_bytes_for_a_span_are_no_longer_than_the_exporters() -> None:
    span = records.Span("n", records.KIND_SERVER, bytes(15) + b"\1", bytes(7) + b"\1", 1, {"a": 1})
    message = record_encoder.span(span, records.Limits())
    assert len(message) == len(decoded.span(message).SerializeToString())
    assert wire.field(b"\x12", message) == encoder.item(message)
