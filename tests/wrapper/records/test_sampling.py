from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from serverless_instrument.wrapper import settings
from serverless_instrument.wrapper.records import sampling
from serverless_instrument.wrapper.records.propagation import SpanContext

TRACE_ID = bytes(range(16))


def parent(*, sampled: bool) -> SpanContext:
    return SpanContext(TRACE_ID, bytes(range(8)), int(sampled))


@pytest.mark.parametrize(
    ("name", "root", "sampled_parent", "unsampled_parent"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("traceidratio", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
        ("parentbased_traceidratio", False, True, False),
    ],
)
def test_the_standard_samplers(
    name: str, root: bool, sampled_parent: bool, unsampled_parent: bool
) -> None:
    decisions = [
        sampling.sampled(name, 0.0, TRACE_ID, given_parent)
        for given_parent in (None, parent(sampled=True), parent(sampled=False))
    ]
    assert decisions == [root, sampled_parent, unsampled_parent]


def test_the_settings_admit_exactly_these() -> None:
    for name in sampling.STANDARD:
        read = settings.Settings({"OTEL_TRACES_SAMPLER": name})
        assert (read.sampler, read.warnings) == (name, [])


@given(st.binary(min_size=16, max_size=16).filter(any), st.floats(0, 1))
def test_a_ratio_decides_as_the_sdk_does(trace_id: bytes, ratio: float) -> None:
    theirs = TraceIdRatioBased(ratio).should_sample(None, int.from_bytes(trace_id, "big"), "span")
    ours = sampling.sampled("traceidratio", ratio, trace_id, None)
    assert ours == (theirs.decision is Decision.RECORD_AND_SAMPLE)
    assert sampling.sampled("parentbased_traceidratio", ratio, trace_id, None) == ours


@pytest.mark.parametrize(("low", "kept"), [(0, True), (2**63 - 1, True), (2**63, False)])
def test_half_of_all_trace_ids_by_their_low_half(low: int, kept: bool) -> None:
    trace_id = b"\xff" * 8 + low.to_bytes(8, "big")
    assert sampling.sampled("traceidratio", 0.5, trace_id, None) is kept


def test_the_ratios_ends() -> None:
    assert sampling.sampled("traceidratio", 1.0, b"\xff" * 16, None)
    assert not sampling.sampled("traceidratio", 0.0, bytes(15) + b"\x01", None)
