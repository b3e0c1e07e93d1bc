"""What is read by its likeness to what came before is what a full reading gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from serverless_instrument import wire, wire_payloads
from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics import metric_aggregation
from serverless_instrument.forwarder.metrics.metric_aggregation import (
    CARDINALITY_LIMIT,
    Aggregation,
)
from serverless_instrument.forwarder.metrics.metric_points import UnmergeableError
from serverless_instrument.forwarder.metrics.metric_series import read_metric
from serverless_instrument.forwarder.metrics.metric_templates import Templates
from serverless_instrument.wrapper.metrics.meter import Provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    # An instrument's number, a value, an attribute's value, whether in a span.
    Step = tuple[int, float, object, bool]

KINDS = ("counter", "histogram", "up_down_counter", "gauge")
VALUES = st.one_of(st.integers(0, 1 << 40), st.integers(0, 1 << 40).map(lambda n: n / 8))
STEPS = st.lists(
    st.tuples(st.integers(0, 7), VALUES, st.sampled_from(["a", "b", 7, None]), st.booleans()),
    max_size=15,
)


class Function:
    """A provider of the runtime's, and what each of its collections sends."""

    def __init__(self) -> None:
        self._provider = Provider(frozenset(("up_down_counter",)), "trace_based", print, print)
        meter = self._provider.get_meter("shop")
        self._made: list[Any] = [
            getattr(meter, f"create_{kind}")(f"{kind}.{number}", "ms", "it")
            for number in range(2)
            for kind in KINDS
        ]
        self._now_ns = 2_000_000_000_000_000_000

    def invocation(self, steps: Sequence[Step]) -> tuple[bytes, bytes]:
        """(scope, items) of the frame."""
        for number, value, attribute, traced in steps:
            instrument = self._made[number]
            verb = next(v for v in ("add", "record", "set") if hasattr(instrument, v))
            span = SpanContext(number + 1, 7, is_remote=False, trace_flags=TraceFlags(traced))
            with use_span(NonRecordingSpan(span)):
                getattr(instrument, verb)(value, {} if attribute is None else {"key": attribute})
        self._now_ns += 1000
        data = self._provider.take_metric_frames(self._now_ns)
        ((_, payload),) = (
            wire.FrameReader().feed(data) if data else [(0, wire.pack_batch(b"", b"", 0))]
        )
        scope, items, _ = wire_payloads.unpack_batch(payload)
        return scope, items


def shown(aggregation: Aggregation) -> list[str]:
    found = ScopeMetrics()
    for _, _, items, _ in aggregation.collect_metrics():
        found.MergeFromString(items)
    return sorted(map(str, found.metrics))


class Unlearning(Templates):
    """Never knows anything."""

    def add_template(self, *_: object) -> None:
        """Nothing."""


@given(st.lists(st.lists(STEPS, max_size=5), max_size=3))
def test_points_of_many_flushes_as_with_a_full_reading(flushes: list[list[list[Step]]]) -> None:
    function, fast, slow = Function(), Aggregation(), Aggregation()
    for invocations in flushes:
        for steps in invocations:
            scope, items = function.invocation(steps)
            fast.add_items(b"r", scope, items)
            slow.add_items(b"r", scope, items)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(metric_aggregation, "Templates", Unlearning)
            told = shown(slow)
        assert shown(fast) == told


def test_the_second_of_a_series_needs_no_full_reading() -> None:
    function, templates = Function(), Templates()
    for expected in (False, True, True):
        steps: list[Step] = [(0, 3, "a", True), (1, 7.5, "a", True), (1, 80, "a", True)]
        _, items = function.invocation(steps)
        for _, _, item in protobuf.fields(items):
            assert isinstance(item, bytes)
            metric, ((attributes, point),) = read_metric(item, CARDINALITY_LIMIT)
            assert (templates.match_item(item) is not None) is expected
            templates.add_template(item, metric, attributes, point)


@given(
    st.tuples(st.integers(0, 3), VALUES, st.sampled_from(["a", 7, None]), st.booleans()),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3),
)
@settings(max_examples=4 * settings().max_examples)
def test_what_is_altered_is_another_series_or_read_alike(
    step: Step, changes: list[tuple[int, int]]
) -> None:
    function, templates = Function(), Templates()
    _, items = function.invocation([step])
    ((_, _, item),) = protobuf.fields(items)
    assert isinstance(item, bytes)
    metric, ((attributes, point),) = read_metric(item, CARDINALITY_LIMIT)
    templates.add_template(item, metric, attributes, point)
    altered = bytearray(item)
    for place, byte in changes:
        altered[place % len(item)] = byte
    found = templates.match_item(bytes(altered))
    if found is None:
        return
    template, mine = found
    try:
        metric, ((attributes, point),) = read_metric(bytes(altered), CARDINALITY_LIMIT)
    except UnmergeableError:  # a histogram's counts that do not fit are told by their length
        raise AssertionError("read what cannot be") from None
    assert template.metric.identity == metric.identity
    assert template.attributes == attributes
    assert mine.key == point.key
    assert mine.encode(attributes) == point.encode(attributes)
