"""Vectors of the W3C's trace-context test suite (https://github.com/w3c/trace-context) and more."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.records.propagation import (
    SpanContext,
    parse_traceparent,
    parse_tracestate,
)

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
VALID = f"00-{TRACE}-{SPAN}-01"


def parsed(traceparent: str) -> SpanContext:
    context = parse_traceparent(traceparent)
    assert context is not None
    return context


@pytest.mark.parametrize(
    ("traceparent", "flags"),
    [
        (VALID, 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-02", 2),
        (f"00-{TRACE}-{SPAN}-03", 3),
        # bits not defined yet must not be sent on
        (f"00-{TRACE}-{SPAN}-ff", 3),
        (f"00-{TRACE}-{SPAN}-08", 0),
        (f" \t{VALID}\t ", 1),
        (f"01-{TRACE}-{SPAN}-01", 1),
        (f"cc-{TRACE}-{SPAN}-01", 1),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", 1),
        (f"fe-{TRACE}-{SPAN}-01-", 1),
    ],
)
def test_a_valid_traceparent(traceparent: str, flags: int) -> None:
    context = parsed(traceparent)
    assert (context.trace_id.hex(), context.span_id.hex()) == (TRACE, SPAN)
    assert context.flags == flags
    assert context.sampled is bool(flags & 1)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "-",
        "---",
        "00",
        f"00-{TRACE}",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-001",
        f"00-{TRACE}-{SPAN}-01.",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
        f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f".0-{TRACE}-{SPAN}-01",
        f"0.-{TRACE}-{SPAN}-01",
        f"0A-{TRACE}-{SPAN}-01",
        f"00-{TRACE.replace('1', 'A')}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.replace('1', 'F')}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"00-{TRACE}-{SPAN}-.0",
        f"00-{TRACE}-{SPAN}-0.",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-.{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE[1:]}.-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{TRACE}-{SPAN[1:]}.-01",
        f"00-{TRACE}-{SPAN[1:]}é-01",
        f"00-{TRACE}-{SPAN[1:]}\u0661-01",
        f"00 -{TRACE}-{SPAN}-01",
        f"{VALID},{VALID}",
    ],
)
def test_an_invalid_traceparent_gives_no_parent(traceparent: str) -> None:
    assert parse_traceparent(traceparent) is None


@pytest.mark.parametrize(
    ("tracestate", "expected"),
    [
        ("", ""),
        ("foo=1", "foo=1"),
        ("foo=1,bar=2", "foo=1,bar=2"),
        ("foo=1,", "foo=1"),
        (",,foo=1 , ,bar=2", "foo=1,bar=2"),
        ("foo=1 \t , \t bar=2", "foo=1,bar=2"),
        (" foo=1 ", "foo=1"),
        ("foo= inner space !", "foo= inner space !"),
        ("foo@bar=1,fo_-*/0=2", "foo@bar=1,fo_-*/0=2"),
        ("a@b=1", "a@b=1"),
        ("0digit=1", "0digit=1"),
        ("0digit@sys=1", "0digit@sys=1"),
        ("z" * 256 + "=1", "z" * 256 + "=1"),
        ("t" * 241 + "@" + "v" * 14 + "=1", "t" * 241 + "@" + "v" * 14 + "=1"),
        ("foo=" + "v" * 256, "foo=" + "v" * 256),
        ("foo=" + "".join(c for c in map(chr, range(0x21, 0x7F)) if c not in ",="), None),
    ],
)
def test_a_valid_tracestate(tracestate: str, expected: str | None) -> None:
    assert parse_tracestate(tracestate) == (tracestate if expected is None else expected)


@pytest.mark.parametrize(
    "tracestate",
    [
        "foo",
        "foo=",
        "=1",
        "foo=1=2",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "_foo=1",
        "@foo=1",
        "foo@=1",
        "foo@@bar=1",
        "foo@bar@baz=1",
        "foo@0bar=1",
        "é=1",
        "foo=é",
        "foo=\t1\x00",
        "foo=1,foo=1",
        "foo=1,foo=2",
        "foo=1,bar",
        "z" * 257 + "=1",
        "t" * 242 + "@v=1",
        "t@" + "v" * 15 + "=1",
        "foo=" + "v" * 257,
    ],
)
def test_a_tracestate_with_any_invalid_member_is_dropped_alone(tracestate: str) -> None:
    assert parse_tracestate(tracestate) == ""
    context = parse_traceparent(VALID, tracestate)
    assert context is not None
    assert context.trace_state == ""


def test_a_tracestate_has_at_most_32_members() -> None:
    members = [f"bar{n:02}={n:02}" for n in range(33)]
    assert parse_tracestate(",".join(members[:32])) == ",".join(members[:32])
    assert parse_tracestate(",".join(members)) == ""


def test_tracestate_comes_with_its_traceparent_only() -> None:
    context = parse_traceparent(VALID, "foo=1")
    assert context is not None
    assert context.trace_state == "foo=1"
    assert parse_traceparent("", "foo=1") is None


HEADER = st.text() | st.text(alphabet=string.hexdigits + "-", max_size=60)


@given(HEADER, HEADER)
def test_no_text_raises(traceparent: str, tracestate: str) -> None:
    parse_traceparent(traceparent, tracestate)
    once = parse_tracestate(tracestate)
    assert parse_tracestate(once) == once


@pytest.mark.parametrize("length", [1, 1024, 1_000_000])
def test_a_long_text_is_no_header(length: int) -> None:
    assert parse_traceparent("0" * length) is None
    assert parse_traceparent(" " * length + f"00-{'a' * 32}-{'b' * 16}-01") is None or length == 1
    assert parse_tracestate("," * length) == ""
    assert parse_tracestate("," * 100 + "k=v") == "k=v"
