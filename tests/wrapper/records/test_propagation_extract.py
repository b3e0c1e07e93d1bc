from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.records.propagation import extract
from serverless_instrument.wrapper.settings import Settings

DEFAULT = Settings({}).propagators
W3C_TRACE, W3C_SPAN = "a" * 32, "b" * 16
W3C = {"traceparent": f"00-{W3C_TRACE}-{W3C_SPAN}-00", "tracestate": "k=v"}


def xray(trace: str, sampled: str = "1") -> str:
    return f"Root=1-{trace * 8}-{trace * 24};Parent={trace * 16};Sampled={sampled}"


HEADER = {"x-amzn-trace-id": xray("c")}
ENVIRONMENT = xray("d")


@pytest.mark.parametrize(
    ("headers", "propagators", "environment", "expected"),
    [
        ({}, DEFAULT, None, None),
        ({}, DEFAULT, ENVIRONMENT, None),
        (W3C, DEFAULT, ENVIRONMENT, "b"),
        (HEADER, DEFAULT, ENVIRONMENT, "c"),
        (W3C | HEADER, DEFAULT, None, "b"),
        # an invalid later one does not hide an earlier one
        (HEADER | {"traceparent": "00-junk"}, DEFAULT, None, "c"),
        (W3C | {"x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678"}, DEFAULT, None, "b"),
        (W3C | HEADER, ("tracecontext", "xray"), None, "c"),
        (W3C | HEADER, ("tracecontext",), ENVIRONMENT, "b"),
        (W3C | HEADER, ("xray",), ENVIRONMENT, "c"),
        (W3C | HEADER, ("baggage",), ENVIRONMENT, None),
        (W3C | HEADER, (), ENVIRONMENT, None),
        (HEADER, ("xray-lambda",), ENVIRONMENT, "d"),
        (HEADER, ("xray-lambda",), None, "c"),
        (HEADER, ("xray-lambda",), "", "c"),
        (HEADER, ("xray-lambda",), "Root=1-67891233-abcdef012345678912345678", "c"),
        ({}, ("xray-lambda",), ENVIRONMENT, "d"),
        ({}, ("xray-lambda",), "junk", None),
        # a context that an earlier propagator found keeps the environment out
        (W3C, ("tracecontext", "xray-lambda"), ENVIRONMENT, "b"),
        (W3C | HEADER, ("tracecontext", "xray-lambda"), ENVIRONMENT, "c"),
        (W3C, ("xray-lambda", "tracecontext"), ENVIRONMENT, "b"),
        ({}, ("tracecontext", "xray-lambda"), ENVIRONMENT, "d"),
    ],
)
def test_which_parent_is_taken(
    headers: dict[str, str],
    propagators: tuple[str, ...],
    environment: str | None,
    expected: str | None,
) -> None:
    parent = extract(headers, propagators, environment, ignore_xray_decision=False)
    assert (parent.span_id.hex() if parent else None) == (expected and expected * 16)


@pytest.mark.parametrize("sampled", ["0", "?", "1"])
@pytest.mark.parametrize(
    ("headers", "propagators", "environment"),
    [
        ("header", ("xray",), None),
        ("header", ("xray-lambda",), None),
        ("", ("xray-lambda",), "environment"),
    ],
)
def test_xrays_decision_can_be_ignored(
    headers: str, propagators: tuple[str, ...], environment: str | None, sampled: str
) -> None:
    carrier = {"x-amzn-trace-id": xray("c", sampled)} if headers else {}
    env = xray("c", sampled) if environment else None
    ignoring = extract(carrier, propagators, env, ignore_xray_decision=True)
    heeding = extract(carrier, propagators, env, ignore_xray_decision=False)
    assert ignoring is not None
    assert heeding is not None
    assert ignoring.sampled
    assert heeding.sampled is (sampled == "1")


def test_the_w3c_decision_is_never_ignored() -> None:
    parent = extract(W3C, DEFAULT, None, ignore_xray_decision=True)
    assert parent is not None
    assert not parent.sampled
    assert parent.trace_state == "k=v"


NAMES = st.sampled_from(["traceparent", "tracestate", "x-amzn-trace-id", "baggage"])
PROPAGATORS = st.lists(st.sampled_from(["tracecontext", "baggage", "xray", "xray-lambda"]))


@given(st.dictionaries(NAMES, st.text()), PROPAGATORS, st.none() | st.text(), st.booleans())
def test_no_carrier_raises(
    headers: dict[str, str], propagators: list[str], environment: str | None, ignore: bool
) -> None:
    before = dict(headers)
    extract(headers, propagators, environment, ignore_xray_decision=ignore)
    assert headers == before
