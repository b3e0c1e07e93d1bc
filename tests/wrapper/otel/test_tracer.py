"""Our spans compared with the SDK's: the same operations give the same decoded span."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from serverless_instrument.wrapper.otel.sdk_options import span_limits
from serverless_instrument.wrapper.otel.sdk_processor import processor, record_of
from serverless_instrument.wrapper.otel.tracer import Provider
from serverless_instrument.wrapper.records import record_encoder, records
from serverless_instrument.wrapper.records.records import Limits
from tests.wrapper import decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
    from opentelemetry.sdk.trace import ReadableSpan

    from serverless_instrument.wrapper.records import records

    Operations = Callable[[trace.Tracer], None]

REMOTE = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(1))
STATEFUL = SpanContext(
    0xA1,
    0xB2,
    is_remote=True,
    trace_flags=TraceFlags(3),
    trace_state=trace.TraceState([("k", "v")]),
)
INVALID = trace.INVALID_SPAN_CONTEXT


def ours(operations: Operations, limits: Limits) -> list[ProtoSpan]:
    """The spans that `operations` make on our tracer."""
    ended: list[records.Span] = []

    def no_sdk() -> trace.TracerProvider:
        raise AssertionError("the SDK has not been asked for")

    provider = Provider(lambda *_: True, limits, lambda _, record: ended.append(record), no_sdk)
    operations(provider.get_tracer("scope"))
    return [decoded.span(record_encoder.span(record, limits)) for record in ended]


def the_sdks(operations: Operations, limits: Limits) -> list[ProtoSpan]:
    """The spans that they make on the SDK's tracer, with our processor."""
    ended: list[ReadableSpan] = []
    provider = TracerProvider(
        resource=Resource({}), shutdown_on_exit=False, span_limits=span_limits(limits)
    )
    provider.add_span_processor(processor(ended.append, {}))
    operations(provider.get_tracer("scope"))
    return [decoded.span(record_encoder.span(record_of(span), limits)) for span in ended]


def comparable(span: ProtoSpan) -> dict[str, Any]:
    """All but ids and times, which `test_ids` and `test_times` check."""
    return {
        "name": span.name,
        "kind": span.kind,
        "flags": span.flags,
        "trace_state": span.trace_state,
        "parent": bool(span.parent_span_id),
        "status": (span.status.code, span.status.message),
        "attributes": decoded.attributes(span.attributes),
        "dropped_attributes": span.dropped_attributes_count,
        "events": [
            (
                event.name,
                without_traces(decoded.attributes(event.attributes)),
                event.dropped_attributes_count,
            )
            for event in span.events
        ],
        "dropped_events": span.dropped_events_count,
        "links": [
            (
                link.trace_id,
                link.span_id,
                link.trace_state,
                link.flags,
                decoded.attributes(link.attributes),
                link.dropped_attributes_count,
            )
            for link in span.links
        ],
        "dropped_links": span.dropped_links_count,
    }


def without_traces(attributes: dict[str, object]) -> dict[str, object]:
    """The stack traces' last line only: the frames above differ by implementation."""
    text = attributes.get("exception.stacktrace")
    if isinstance(text, str):
        assert text.startswith(("Traceback", str(attributes["exception.type"])))
        attributes["exception.stacktrace"] = text.rstrip().rpartition("\n")[2]
    return attributes


def same(operations: Operations, limits: Limits | None = None) -> list[dict[str, Any]]:
    limits = limits or Limits()
    found = [comparable(span) for span in ours(operations, limits)]
    assert found == [comparable(span) for span in the_sdks(operations, limits)]
    return found


def attributes_of_each_type(tracer: trace.Tracer) -> None:
    span = tracer.start_span("s", attributes={"at": "start", "n": 1})
    span.set_attribute("text", "ä\ud800")
    span.set_attribute("true", True)
    span.set_attribute("int", -(1 << 62))
    span.set_attribute("float", 1.5)
    span.set_attribute("bytes", b"\x00\xff")
    span.set_attribute("list", ["a", "b"])
    span.set_attribute("tuple", (1, 2))
    span.set_attribute("floats", [1.0, 2.5])
    span.set_attribute("empty", [])
    span.set_attribute("mapping", {"a": [1, {"b": "c"}]})
    span.set_attributes({"n": 2, "several": "at once"})
    span.set_attribute("n", 3)
    span.end()


def attributes_that_change_later(tracer: trace.Tracer) -> None:
    given_list, given_dict = ["a"], {"k": ["v"]}
    span = tracer.start_span("s", attributes={"list": given_list})
    span.set_attribute("dict", given_dict)
    span.add_event("e", {"list": given_list})
    given_list.append("b")
    given_dict["k"].append("w")
    given_dict["other"] = []
    span.end()


def keys_that_are_none(tracer: trace.Tracer) -> None:
    span = tracer.start_span("s", attributes={"": 1, "a": 2})
    span.set_attribute("", 1)
    span.set_attributes({"": 1, "b": 2})
    span.end()


class Printable:
    def __str__(self) -> str:
        return "printed"


def values_of_other_types(tracer: trace.Tracer) -> None:
    span = tracer.start_span("s")
    span.set_attribute("none", None)
    span.set_attribute("object", Printable())  # type: ignore[arg-type] # what callers do
    span.set_attribute("mixed", [1, "a", None, Printable()])  # type: ignore[list-item] # as above
    span.end()


def after_the_end(tracer: trace.Tracer) -> None:
    span = tracer.start_span("s")
    span.end()
    span.set_attribute("a", 1)
    span.set_attributes({"b": 1})
    span.add_event("e")
    span.add_link(REMOTE)
    span.update_name("other")
    span.set_status(StatusCode.ERROR, "late")
    span.record_exception(ValueError("late"))
    span.end()
    assert not span.is_recording()


def names(tracer: trace.Tracer) -> None:
    span = tracer.start_span("first", kind=SpanKind.PRODUCER)
    span.update_name("second")
    span.update_name("third")
    span.end()


def each_kind(tracer: trace.Tracer) -> None:
    for kind in SpanKind:
        tracer.start_span(kind.name, kind=kind).end()


def status(*steps: Status | tuple[StatusCode, str | None]) -> Operations:
    def operations(tracer: trace.Tracer) -> None:
        span = tracer.start_span("s")
        for step in steps:
            if isinstance(step, Status):
                span.set_status(step)
            else:
                span.set_status(*step)
        span.end()

    return operations


OK, ERROR, UNSET = StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET


def events(tracer: trace.Tracer) -> None:
    span = tracer.start_span("s")
    span.add_event("plain")
    span.add_event("with", {"a": [1, 2], "b": "c"}, 1_700_000_000_000_000_000)
    span.add_event("at the epoch", timestamp=0)
    span.end()


def links(tracer: trace.Tracer) -> None:
    span = tracer.start_span(
        "s",
        links=[
            Link(REMOTE, {"a": 1}),
            Link(INVALID),
            Link(INVALID, {"why": "it says something"}),
        ],
    )
    span.add_link(STATEFUL, {"b": [1]})
    span.add_link(INVALID)
    span.add_link(INVALID, {"c": "d"})
    span.end()


def exceptions(tracer: trace.Tracer) -> None:
    span = tracer.start_span("s")
    span.record_exception(ValueError("plain"))
    try:
        raise KeyError("raised")
    except KeyError as error:
        span.record_exception(error, {"more": 1, "exception.message": "mine"}, escaped=True)
    span.end()


def span_as_context_manager(tracer: trace.Tracer) -> None:
    for error in (ValueError("no"), KeyboardInterrupt("stop"), GeneratorExit()):
        with pytest.raises(type(error)), tracer.start_span("s"):
            raise error
    with tracer.start_span("good"):
        pass


def switches_of_exceptions(tracer: trace.Tracer) -> None:
    for recorded in (True, False):
        for set_status in (True, False):
            for start in (tracer.start_span, tracer.start_as_current_span):
                with (
                    pytest.raises(ValueError, match="no"),
                    start("s", record_exception=recorded, set_status_on_exception=set_status),
                ):
                    raise ValueError("no")


def current_spans(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("outer", attributes={"a": 1}) as outer:
        with tracer.start_as_current_span("inner", kind=SpanKind.CLIENT):
            trace.get_current_span().set_attribute("b", 2)
        with pytest.raises(SystemExit), tracer.start_as_current_span("exits"):
            raise SystemExit(3)
        assert trace.get_current_span() is outer
    with tracer.start_as_current_span("kept", end_on_exit=False) as kept:
        pass
    assert kept.is_recording()
    kept.set_attribute("c", 3)
    kept.end()


def remote_parents(tracer: trace.Tracer) -> None:
    for context in (REMOTE, STATEFUL, INVALID):
        parent = trace.set_span_in_context(trace.NonRecordingSpan(context))
        with tracer.start_as_current_span("s", context=parent):
            tracer.start_span("child").end()


def what_a_span_shows(tracer: trace.Tracer) -> None:
    span: Any = tracer.start_span("s", kind=SpanKind.SERVER, attributes={"a": 1}, start_time=5)
    assert (span.name, span.kind, dict(span.attributes)) == ("s", SpanKind.SERVER, {"a": 1})
    assert (span.start_time, span.end_time, span.status.status_code) == (5, None, UNSET)
    span.set_status(ERROR, "no")
    assert (span.status.status_code, span.status.description) == (ERROR, "no")
    span.end(7)
    assert span.end_time == 7
    assert span.context == span.get_span_context()
    assert span.context.is_valid


OPERATIONS: dict[str, Operations] = {
    "attributes of each type": attributes_of_each_type,
    "attributes that change later": attributes_that_change_later,
    "keys that are none": keys_that_are_none,
    "values of other types": values_of_other_types,
    "after the end": after_the_end,
    "names": names,
    "each kind": each_kind,
    "status: unset": status(),
    "status: error": status((ERROR, "why")),
    "status: error, no text": status((ERROR, None)),
    "status: error twice": status((ERROR, "one"), (ERROR, "two")),
    "status: back to unset": status((ERROR, "one"), (UNSET, None)),
    "status: ok is final": status((OK, None), (ERROR, "no"), (UNSET, None)),
    "status: ok after error": status((ERROR, "no"), (OK, None)),
    "status: an object": status(Status(ERROR, "object")),
    "status: ok, an object": status(Status(OK), Status(ERROR, "no")),
    "events": events,
    "links": links,
    "exceptions": exceptions,
    "span as a context manager": span_as_context_manager,
    "switches of exceptions": switches_of_exceptions,
    "current spans": current_spans,
    "remote parents": remote_parents,
    "what a span shows": what_a_span_shows,
}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Silences the SDK's warnings about the invalid calls here."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")


@pytest.mark.parametrize("operations", OPERATIONS.values(), ids=OPERATIONS)
def test_the_same_as_the_sdks(operations: Operations) -> None:
    assert same(operations)


def test_the_table_compares_what_it_should() -> None:
    (span,) = same(links)
    assert [len(span["links"]), span["links"][0][0][-1]] == [4, 0xA1]
    assert same(status((OK, None), (ERROR, "no")))[0]["status"] == (1, "")
    (first, *_) = same(exceptions)
    assert [event[1]["exception.escaped"] for event in first["events"]] == ["False", "True"]
    assert first["events"][1][1]["exception.message"] == "mine"


def filled(tracer: trace.Tracer) -> None:
    span = tracer.start_span(
        "s",
        attributes={"a": "12345", "b": ["12345", "1"], "c": 1},
        links=[Link(REMOTE, {"a": 1, "b": 2, "c": 3}) for _ in range(3)],
    )
    span.set_attribute("d", 1)
    span.set_attributes({"e": 1, "f": 1})
    for number in range(4):
        span.add_event(str(number), {"a": 1, "b": 2, "c": 3})
        span.add_link(REMOTE, {"a": 1, "b": 2, "c": 3, "d": 4})
    span.end()


LIMITS: dict[str, dict[str, int | None]] = {
    "none": {},
    "attributes": {"attribute_count": 2},
    "no attributes": {"attribute_count": 0},
    "events": {"event_count": 2},
    "no events": {"event_count": 0},
    "links": {"link_count": 2},
    "no links": {"link_count": 0},
    "of events": {"event_attribute_count": 1},
    "of links": {"link_attribute_count": 2},
    "unlimited": dict.fromkeys(Limits.__slots__),
}
DROPPED = ("dropped_attributes", "dropped_events", "dropped_links")


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_limits_drop_as_many_as_the_sdks(limits: dict[str, int | None]) -> None:
    # The specification drops the new attribute, the SDK the oldest.
    made = Limits(**limits)
    (mine,), (theirs,) = ours(filled, made), the_sdks(filled, made)
    found, expected = comparable(mine), comparable(theirs)
    for name in DROPPED:
        assert found[name] == expected[name]
    for name in ("attributes", "events", "links"):
        assert len(found[name]) == len(expected[name])
    assert [event[2] for event in found["events"]] == [event[2] for event in expected["events"]]
    assert [link[5] for link in found["links"]] == [link[5] for link in expected["links"]]


def test_what_limits_keep() -> None:
    (span,) = [
        comparable(span)
        for span in ours(filled, Limits(attribute_count=2, event_count=2, link_count=2))
    ]
    # https://opentelemetry.io/docs/specs/otel/common/#attribute-limits
    assert span["attributes"] == {"a": "12345", "b": ["12345", "1"]}
    assert [span[name] for name in DROPPED] == [4, 2, 5]
    assert [event[0] for event in span["events"]] == ["2", "3"]


def test_values_are_cut_at_the_limit() -> None:
    (span,) = same(filled, Limits(attribute_value_length=3))
    assert span["attributes"]["b"] == ["123", "1"]


def test_events_over_the_limit_are_not_held() -> None:
    held: list[int] = []

    def many(tracer: trace.Tracer) -> None:
        span: Any = tracer.start_span("s")
        for number in range(10_000):
            span.add_event(str(number))
        held.append(len(span.record.events))
        span.end()

    (span,) = ours(many, Limits(event_count=5))
    assert held == [5]
    assert [event.name for event in span.events] == ["9995", "9996", "9997", "9998", "9999"]
    assert span.dropped_events_count == 9995


@pytest.mark.parametrize("spans", [ours, the_sdks])
def test_ids(spans: Callable[[Operations, Limits], list[ProtoSpan]]) -> None:
    inner, outer, other = spans(nested, Limits())
    assert len({inner.span_id, outer.span_id, other.span_id}) == 3
    assert inner.parent_span_id == outer.span_id
    assert inner.trace_id == outer.trace_id != other.trace_id
    assert (outer.parent_span_id, other.parent_span_id) == (b"", b"")


def nested(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("outer"):
        tracer.start_span("inner").end()
    tracer.start_span("other").end()


@pytest.mark.parametrize("spans", [ours, the_sdks])
def test_times(spans: Callable[[Operations, Limits], list[ProtoSpan]]) -> None:
    def given_times(tracer: trace.Tracer) -> None:
        span = tracer.start_span("s", start_time=10)
        span.add_event("e", timestamp=20)
        span.end(30)

    (span,) = spans(given_times, Limits())
    times = (span.start_time_unix_nano, span.events[0].time_unix_nano, span.end_time_unix_nano)
    assert times == (10, 20, 30)
    (now,) = spans(lambda tracer: tracer.start_span("s").end(), Limits())
    assert 1_600_000_000_000_000_000 < now.start_time_unix_nano <= now.end_time_unix_nano


def test_an_end_before_the_start_is_moved_to_it() -> None:
    # A wall clock may step back; backends refuse a span that ends before it starts.
    (span,) = ours(lambda tracer: tracer.start_span("s", start_time=10).end(5), Limits())
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (10, 10)


def test_a_list_that_holds_itself_costs_nothing_but_itself() -> None:
    def cyclic(tracer: trace.Tracer) -> None:
        values: list[Any] = ["a"]
        values.append(values)
        span = tracer.start_span("s")
        span.set_attribute("cycle", values)
        span.set_attribute("other", 1)
        span.end()

    (span,) = ours(cyclic, Limits())
    assert decoded.attributes(span.attributes)["other"] == 1


def test_scopes() -> None:
    sent: list[bytes] = []
    provider = Provider(
        lambda *_: True,
        Limits(),
        lambda scope, _: sent.append(scope),
        trace.NoOpTracerProvider,
    )
    made = provider.get_tracer("name", "1.0", "https://schema", {"list": ["a"], "n": 1})
    assert provider.get_tracer("name", "1.0", "https://schema", {"list": ["a"], "n": 1}) is made
    assert provider.get_tracer("name", "1.0") is not made
    made.start_span("s").end()
    (scope,) = sent
    from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

    told = ScopeSpans.FromString(scope)
    assert (told.scope.name, told.scope.version, told.schema_url) == (
        "name",
        "1.0",
        "https://schema",
    )
    assert decoded.attributes(told.scope.attributes) == {"list": ["a"], "n": 1}


def test_a_span_that_is_not_sampled_carries_the_trace_on() -> None:
    provider = Provider(
        lambda *_: False,
        Limits(),
        lambda *_: pytest.fail("sent"),
        trace.NoOpTracerProvider,
    )
    parent = trace.set_span_in_context(trace.NonRecordingSpan(STATEFUL))
    with provider.get_tracer("t").start_as_current_span("s", context=parent) as span:
        context = span.get_span_context()
        assert not span.is_recording()
    assert context.trace_id == STATEFUL.trace_id
    assert context.span_id != STATEFUL.span_id
    assert context.trace_flags == 2  # the trace id is a random one still
    assert context.trace_state == STATEFUL.trace_state


def test_what_the_provider_lacks_without_the_sdk() -> None:
    def no_sdk() -> trace.TracerProvider:
        raise ImportError("no opentelemetry-sdk")

    provider = Provider(lambda *_: True, Limits(), lambda *_: None, no_sdk)
    assert not hasattr(provider, "force_flush")
    with pytest.raises(AttributeError, match="needs opentelemetry-sdk: no opentelemetry-sdk"):
        provider.add_span_processor  # noqa: B018 - the question is the test


texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
scalars = st.one_of(
    texts, st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False)
)
values = st.one_of(scalars, st.lists(texts, max_size=3), st.lists(st.integers(0, 9), max_size=3))
attribute_maps = st.dictionaries(texts, values, max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set_attribute"), texts, values),
        st.tuples(st.just("set_attributes"), attribute_maps),
        st.tuples(st.just("add_event"), texts, attribute_maps),
        st.tuples(st.just("update_name"), texts),
        st.tuples(st.just("set_status"), st.sampled_from([OK, ERROR, UNSET])),
        st.tuples(
            st.just("add_link"), st.sampled_from([REMOTE, STATEFUL, INVALID]), attribute_maps
        ),
        st.tuples(st.just("record_exception"), st.builds(ValueError, texts), attribute_maps),
        st.tuples(st.just("end")),
    ),
    max_size=12,
)


@hypothesis_settings(max_examples=3 * hypothesis_settings().max_examples // 2)
@given(steps, attribute_maps)
def test_any_operations_give_the_same_span(
    given_steps: list[tuple[Any, ...]], attributes: dict[str, Any]
) -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def operations(tracer: trace.Tracer) -> None:
        span = tracer.start_span("s", attributes=attributes)
        for name, *arguments in given_steps:
            getattr(span, name)(*arguments)
        span.end()

    same(operations)
