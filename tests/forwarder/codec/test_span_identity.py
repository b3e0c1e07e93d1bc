"""Ids and name of an encoded span, whatever the order of its fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serverless_instrument.forwarder.codec.span_identity import SpanIdentity

TRACE_ID, SPAN_ID = bytes(range(16)), bytes(range(8))


def found(span: bytes) -> tuple[bytes, bytes, str]:
    identity = SpanIdentity(span)
    return identity.trace_id, identity.span_id, identity.name


def test_a_span() -> None:
    span = Span(trace_id=TRACE_ID, span_id=SPAN_ID, name="GET /é", kind=Span.SPAN_KIND_SERVER)
    assert found(span.SerializeToString()) == (TRACE_ID, SPAN_ID, "GET /é")


@pytest.mark.parametrize("span", [b"", b"\x0a\x10short", b"\xff"])
def test_what_is_no_span_has_no_identity(span: bytes) -> None:
    assert found(span) == (b"", b"", "")


@given(st.binary(max_size=60))
def test_no_bytes_raise(span: bytes) -> None:
    found(span)
