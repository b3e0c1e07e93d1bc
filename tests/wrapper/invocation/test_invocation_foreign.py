"""A parent that only a package's propagator finds, and a span that OpenTelemetry code holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from serverless_instrument.wrapper.invocation.frames import encode_bounded
from serverless_instrument.wrapper.invocation.invocation import Invocation
from serverless_instrument.wrapper.records import records
from serverless_instrument.wrapper.records.propagation import SpanContext
from serverless_instrument.wrapper.settings import Settings
from tests.wrapper import decoded
from tests.wrapper.invocations import END_UNIX_NS, START_UNIX_NS, end_span, ids, started
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from collections.abc import Mapping

FOREIGN = SpanContext(b"f" * 16, b"g" * 8, 1)


def made(foreign: SpanContext | None, headers: dict[str, str], **environ: str) -> Invocation:
    def extract(given: Mapping[str, str]) -> SpanContext | None:
        assert given == headers
        return foreign

    event = events.load("http_api_v2")
    event["headers"] = headers
    return Invocation(
        event,
        None,
        Settings(environ),
        {},
        START_UNIX_NS,
        ids,
        coldstart=False,
        extract_foreign=extract,
    )


W3C = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
XRAY_OFF = {"x-amzn-trace-id": f"Root=1-{'c' * 8}-{'d' * 24};Parent={'e' * 16};Sampled=0"}
XRAY_OFF_SPAN = SpanContext(bytes.fromhex("c" * 8 + "d" * 24), bytes.fromhex("e" * 16), 0)


def test_it_is_asked_only_where_a_propagator_is_not_ours() -> None:
    assert made(FOREIGN, W3C).span.parent_span_id.hex() == "b" * 16
    found = made(FOREIGN, W3C, OTEL_PROPAGATORS="tracecontext,jaeger")
    assert (found.span.trace_id, found.span.parent_span_id) == (b"f" * 16, b"g" * 8)
    assert found.parent_flags == 1


class Held:
    """A span that OpenTelemetry code holds; `failing` as a processor of the user's may be."""

    def __init__(self, *, failing: bool) -> None:
        self.closed: list[records.Span] = []
        self.failing = failing

    def leave(self, end_unix_ns: int) -> None:
        assert end_unix_ns == 0

    def close(self, record: records.Span) -> records.Span:
        self.closed.append(record)
        if self.failing:
            raise RuntimeError("a processor of the user's")
        return record

    def routed(self, name: str, attributes: Mapping[str, str]) -> None:
        raise NotImplementedError(name, attributes)

    def seen(self, record: records.Span) -> records.Span:
        raise NotImplementedError(record)


@pytest.mark.parametrize("failing", [False, True])
def test_an_abandoned_invocation_lets_go_of_its_span_once(failing: bool) -> None:
    invocation, held = made(None, W3C), Held(failing=failing)
    invocation.live = held
    invocation.abandon()
    invocation.abandon()
    assert held.closed == [invocation.span]


def test_where_it_finds_nothing_ours_stand() -> None:
    found = made(None, W3C, OTEL_PROPAGATORS="tracecontext,jaeger")
    assert found.span.parent_span_id.hex() == "b" * 16
    assert made(None, {}, OTEL_PROPAGATORS="jaeger").span.parent_span_id == b""


def test_x_rays_decision_stays_out_where_it_finds_the_same_span() -> None:
    found = made(XRAY_OFF_SPAN, XRAY_OFF, OTEL_PROPAGATORS="xray,jaeger")
    assert found.sampled
    assert found.span.parent_span_id.hex() == "e" * 16


@pytest.mark.parametrize("sampler", ["of_a_package", "parentbased_always_on"])
def test_before_a_packages_sampler_is_asked_the_default_decides(sampler: str) -> None:
    off = {"traceparent": W3C["traceparent"].replace("-01", "-00")}
    for headers, sampled in (({}, True), (W3C, True), (off, False)):
        assert made(None, headers, OTEL_TRACES_SAMPLER=sampler).sampled is sampled


def test_the_span_that_opentelemetry_code_holds_is_closed_and_sent() -> None:
    closed: list[records.Span] = []

    class Held:
        def leave(self, end_unix_ns: int) -> None:
            assert end_unix_ns == END_UNIX_NS

        def close(self, record: records.Span) -> records.Span:
            assert record.end_unix_ns == END_UNIX_NS
            closed.append(record)
            other = records.Span(
                "other", 2, record.trace_id, record.span_id, record.start_unix_ns, {"a": 1}
            )
            other.end_unix_ns = record.end_unix_ns
            return other

        def routed(self, name: str, attributes: Mapping[str, str]) -> None:
            raise NotImplementedError(name, attributes)

        def seen(self, record: records.Span) -> records.Span:
            raise NotImplementedError(record)

    invocation = started()
    invocation.live = Held()
    span = end_span(invocation.succeed(None, END_UNIX_NS))
    assert (span.name, decoded.attributes(span.attributes)) == ("other", {"a": 1})
    assert len(closed) == 1


def test_a_span_over_a_frames_size_is_cut() -> None:
    record = records.Span("s", 1, bytes(16), bytes(8), 1, {"big": "x" * 4_000_000, "small": 1})
    attributes = decoded.attributes(
        decoded.span(encode_bounded(record, records.Limits())).attributes
    )
    assert attributes == {"big": "x" * 4096, "small": 1}
