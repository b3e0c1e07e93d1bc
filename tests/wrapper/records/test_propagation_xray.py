"""https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.records.propagation import SpanContext, format_xray, parse_xray

TRACE, PARENT = "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
ROOT = f"Root=1-{TRACE[:8]}-{TRACE[8:]}"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (f"{ROOT};Parent={PARENT};Sampled=1", 1),
        (f"{ROOT};Parent={PARENT};Sampled=0", 0),
        (f"{ROOT};Parent={PARENT};Sampled=?", 0),
        (f"{ROOT};Parent={PARENT}", 0),
        (f"{ROOT};Parent={PARENT};Sampled=true", 0),
        (f"Sampled=1;Parent={PARENT};{ROOT}", 1),
        (f" {ROOT} ; Parent={PARENT} ;\tSampled=1 ;", 1),
        (f"Self=1-67891234-12456789abcdef012345678;{ROOT};Parent={PARENT};Sampled=1", 1),
        (f"{ROOT};Parent={PARENT};Sampled=1;Lineage=1:a87bd80c:0|68fd508a:5|c512fbe3:2", 1),
        (f"{ROOT};Parent={PARENT};Sampled=1;CalledFrom=app;junk;=;==", 1),
        (f"Root=1-{TRACE[:8].upper()}-{TRACE[8:].upper()};Parent={PARENT.upper()};Sampled=1", 1),
    ],
)
def test_a_valid_header(header: str, flags: int) -> None:
    context = parse_xray(header)
    assert context is not None
    assert (context.trace_id.hex(), context.span_id.hex()) == (TRACE, PARENT)
    assert (context.flags, context.trace_state) == (flags, "")


@pytest.mark.parametrize(
    "header",
    [
        "",
        ";",
        ROOT,
        f"{ROOT};Sampled=1",
        f"{ROOT};Parent=;Sampled=1",
        f"{ROOT};Parent={'0' * 16};Sampled=1",
        f"{ROOT};Parent={PARENT}0;Sampled=1",
        f"{ROOT};Parent={PARENT[1:]};Sampled=1",
        f"{ROOT};Parent={PARENT[1:]}g;Sampled=1",
        f"root=1-{TRACE[:8]}-{TRACE[8:]};parent={PARENT}",
        f"Parent={PARENT};Sampled=1",
        f"Root={TRACE};Parent={PARENT}",
        f"Root=2-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT}",
        f"Root=1-{TRACE[:9]}-{TRACE[9:]};Parent={PARENT}",
        f"Root=1-{TRACE[:8]}-{TRACE[8:]}0;Parent={PARENT}",
        f"Root=1-{TRACE[:8]}-{TRACE[8:]}-;Parent={PARENT}",
        f"Root=1-{TRACE[:8]}-{TRACE[9:]}x;Parent={PARENT}",
        f"Root=1-00000000-{'0' * 24};Parent={PARENT}",
    ],
)
def test_a_header_that_names_no_span_gives_no_parent(header: str) -> None:
    assert parse_xray(header) is None


@pytest.mark.parametrize(("flags", "sampled"), [(0, 0), (1, 1), (0x300, 0), (0x303, 1)])
def test_what_is_sent(flags: int, sampled: int) -> None:
    context = SpanContext(bytes.fromhex(TRACE), bytes.fromhex(PARENT), flags)
    assert format_xray(context) == f"{ROOT};Parent={PARENT};Sampled={sampled}"


@given(st.text() | st.text(alphabet="Root=1-;Parent=Smpled?\t 0af", max_size=120))
def test_no_text_raises(header: str) -> None:
    parse_xray(header)


@given(
    st.binary(min_size=16, max_size=16).filter(any),
    st.binary(min_size=8, max_size=8).filter(any),
    st.integers(0, 1),
)
def test_what_is_sent_is_read_back(trace_id: bytes, span_id: bytes, flags: int) -> None:
    context = parse_xray(format_xray(SpanContext(trace_id, span_id, flags)))
    assert context is not None
    assert (context.trace_id, context.span_id, context.flags) == (trace_id, span_id, flags)


def test_a_long_text_is_no_header() -> None:
    header = f"Root=1-{'a' * 8}-{'a' * 24};Parent={'b' * 16};Sampled=1"
    assert parse_xray(header + ";Lineage=1:a1b2c3d4:0") is not None
    assert parse_xray(header + ";" * 1_000) is None
