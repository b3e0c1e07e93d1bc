"""Spans that the forwarder makes or completes, decoded by the official messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from serverless_instrument.forwarder.codec import spans
from tests.forwarder import encoded

TRACE, ID, PARENT = b"t" * 16, b"s" * 8, b"p" * 8


@pytest.mark.parametrize("error_type", ["timeout", "Runtime.ExitError"])
def test_an_abandoned_span_has_an_end_and_an_error_type(error_type: str) -> None:
    unfinished = encoded.span("invocation")
    item = spans.abandoned(unfinished.SerializeToString(), 1_800_000_000_000_000_000, error_type)
    (span,) = ScopeSpans.FromString(item).spans
    assert span.end_time_unix_nano == 1_800_000_000_000_000_000
    assert {a.key: a.value.string_value for a in span.attributes} == {"error.type": error_type}
    span.ClearField("end_time_unix_nano")
    span.ClearField("attributes")
    assert span == unfinished
    assert isinstance(span, Span)


def made(**changes: object) -> Span:
    arguments = {
        "name": "shop",
        "trace_id": TRACE,
        "span_id": ID,
        "parent_id": PARENT,
        "start_unix_ns": 5,
        "end_unix_ns": 7,
        "attributes": {"a": 1, "b": True},
        **changes,
    }
    (span,) = ScopeSpans.FromString(spans.encoded(spans.Made(**arguments))).spans  # type: ignore[arg-type] # as above
    return span


def test_a_made_span_has_what_it_was_given() -> None:
    span = made()
    assert (span.name, span.kind) == ("shop", Span.SPAN_KIND_INTERNAL)
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, ID, PARENT)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (5, 7)
    assert [(a.key, a.value.int_value or a.value.bool_value) for a in span.attributes] == [
        ("a", 1),
        ("b", True),
    ]
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert span.flags == 0x101


def test_an_error_a_remote_parent_and_events() -> None:
    event = Span.Event(name="exception", time_unix_nano=6)
    span = made(
        error_type="timeout",
        kind=spans.SERVER,
        remote_parent=True,
        events=(event.SerializeToString(),),
        end_unix_ns=1,
    )
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.flags == 0x301
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.attributes[-1].key == "error.type"
    assert list(span.events) == [event]
    assert span.end_time_unix_nano == span.start_time_unix_nano == 5


def test_ids_and_items_of_encoded_spans() -> None:
    one, two = encoded.span("one"), encoded.span("two")
    tagged = ScopeSpans(spans=[one, two]).SerializeToString()
    assert [Span.FromString(item) for item in spans.items(tagged)] == [one, two]
    assert spans.span_id(one.SerializeToString()) == one.span_id
    assert spans.span_id(b"") == b""
    assert list(spans.items(tagged[:-1]))[:1] == [one.SerializeToString()]


@given(st.binary())
def test_any_bytes_have_at_most_an_id(data: bytes) -> None:
    assert isinstance(spans.span_id(data), bytes)
    assert all(isinstance(item, bytes) for item in spans.items(data))


ROOT, SPAN = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"


@pytest.mark.parametrize(
    "header", [f"Root={ROOT};Parent={SPAN};Sampled=1", f" Parent={SPAN}; Root={ROOT}"]
)
def test_a_header_with_root_and_parent_is_one(header: str) -> None:
    trace_id, parent_id = spans.parent_of(header)
    assert (trace_id.hex(), parent_id.hex()) == ("5759e988bd862e3fe1be46a994272793", SPAN)


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"Root={ROOT}",
        f"Parent={SPAN}",
        f"Root=2{ROOT[1:]};Parent={SPAN}",
        f"Root={ROOT};Parent=zz995c3f42cd8ad8",
        f"Root={ROOT[:-1]};Parent={SPAN}",
        f"Root={ROOT};Parent=0000000000000000",
    ],
)
def test_any_other_header_names_no_parent(header: str) -> None:
    assert spans.parent_of(header) == (b"", b"")


@given(st.text())
def test_no_header_raises(header: str) -> None:
    spans.parent_of(header)
