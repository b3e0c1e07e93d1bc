"""https://github.com/openzipkin/b3-propagation."""

from __future__ import annotations

import pytest

from serverless_instrument.wrapper.records.propagation import (
    SpanContext,
    extract,
    format_b3,
    format_b3_multi,
    parse_b3,
)

TRACE, SPAN = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
SINGLE = f"{TRACE}-{SPAN}-1"


def ids(headers: dict[str, str]) -> tuple[str, str, int] | None:
    found = parse_b3(headers)
    return (found.trace_id.hex(), found.span_id.hex(), found.flags) if found else None


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (SINGLE, 1),
        (f"{TRACE}-{SPAN}-0", 0),
        (f"{TRACE}-{SPAN}-d", 1),
        (f"{TRACE}-{SPAN}", 1),
        (f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90", 1),
        (f"{TRACE.upper()}-{SPAN.upper()}-1", 1),
    ],
)
def test_the_single_header(header: str, flags: int) -> None:
    assert ids({"b3": header}) == (TRACE, SPAN, flags)


def test_a_trace_id_of_64_bits() -> None:
    assert ids({"b3": f"{TRACE[:16]}-{SPAN}-1"}) == ("0" * 16 + TRACE[:16], SPAN, 1)


@pytest.mark.parametrize(
    ("rest", "flags"),
    [
        ({}, 1),
        ({"x-b3-sampled": "1"}, 1),
        ({"x-b3-sampled": "True"}, 1),
        ({"x-b3-sampled": "0"}, 0),
        ({"x-b3-sampled": "false"}, 0),
        ({"x-b3-sampled": "0", "x-b3-flags": "1"}, 1),
        ({"x-b3-flags": "0"}, 1),
    ],
)
def test_the_headers_one_by_one(rest: dict[str, str], flags: int) -> None:
    headers = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, **rest}
    assert ids(headers) == (TRACE, SPAN, flags)


def test_the_single_header_goes_before_the_others() -> None:
    headers = {"b3": SINGLE, "x-b3-traceid": "1" * 32, "x-b3-spanid": "2" * 16}
    assert ids(headers) == (TRACE, SPAN, 1)
    # A decision alone, which tells no span.
    assert ids({**headers, "b3": "0"}) == ("1" * 32, "2" * 16, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"b3": ""},
        {"b3": "0"},
        {"b3": f"{'0' * 32}-{SPAN}-1"},
        {"b3": f"{TRACE}-{'0' * 16}-1"},
        {"b3": f"{TRACE}0-{SPAN}-1"},
        {"b3": f"{TRACE}-{SPAN[1:]}-1"},
        {"b3": f"{TRACE[:-1]}g-{SPAN}-1"},
        {"x-b3-traceid": TRACE},
        {"x-b3-spanid": SPAN},
    ],
)
def test_what_names_no_span(headers: dict[str, str]) -> None:
    assert ids(headers) is None


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_what_is_written_is_read(flags: int) -> None:
    context = SpanContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), flags)
    assert ids({"b3": format_b3(context)}) == (TRACE, SPAN, flags & 1)
    assert ids(format_b3_multi(context)) == (TRACE, SPAN, flags & 1)


@pytest.mark.parametrize("name", ["b3", "b3multi"])
def test_the_invocations_parent(name: str) -> None:
    for headers in ({"b3": SINGLE}, {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN}):
        found = extract(headers, ["tracecontext", name], None, ignore_xray_decision=True)
        assert found is not None
        assert found.trace_id.hex() == TRACE
    assert extract({}, [name], None, ignore_xray_decision=True) is None
