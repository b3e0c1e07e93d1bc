from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from serverless_instrument.forwarder.codec.spans import abandoned
from serverless_instrument.wrapper.records import encoder, record_encoder, records
from serverless_instrument.wrapper.records.records import Limits
from tests.wrapper import decoded

TRACE_ID, SPAN_ID, PARENT_ID = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))
U64 = 2**64 - 1


def full_span() -> records.Span:
    span = records.Span(
        "GET /items/{id}",
        records.KIND_SERVER,
        TRACE_ID,
        SPAN_ID,
        1_700_000_000_000_000_001,
        {"a": 1, "b": "two"},
        PARENT_ID,
        "k=v",
        0x301,
    )
    span.end_unix_ns = U64
    span.events = [records.Event("exception", 5, {"exception.type": "E"}), records.Event("", 0, {})]
    span.links = [
        records.Link(TRACE_ID, PARENT_ID, "x=y", 0x101, {"l": True}),
        records.Link(TRACE_ID, SPAN_ID),
    ]
    span.status_code, span.status_message = records.STATUS_ERROR, "boom"
    return span


def test_every_field_of_a_span() -> None:
    message = decoded.span(record_encoder.span(full_span(), Limits()))
    assert (message.trace_id, message.span_id) == (TRACE_ID, SPAN_ID)
    assert (message.parent_span_id, message.trace_state) == (PARENT_ID, "k=v")
    assert (message.name, message.kind) == ("GET /items/{id}", Span.SPAN_KIND_SERVER)
    assert message.start_time_unix_nano == 1_700_000_000_000_000_001
    assert (message.end_time_unix_nano, message.flags) == (U64, 0x301)
    assert decoded.attributes(message.attributes) == {"a": 1, "b": "two"}
    assert (message.status.code, message.status.message) == (2, "boom")
    first, second = message.events
    assert (first.name, first.time_unix_nano) == ("exception", 5)
    assert decoded.attributes(first.attributes) == {"exception.type": "E"}
    assert second == Span.Event()
    link, bare = message.links
    assert (link.trace_id, link.span_id, link.trace_state) == (TRACE_ID, PARENT_ID, "x=y")
    assert link.flags == 0x101
    assert decoded.attributes(link.attributes) == {"l": True}
    assert bare == Span.Link(trace_id=TRACE_ID, span_id=SPAN_ID)


def test_limits_are_the_specifications_by_default() -> None:
    found = {name: getattr(Limits(), name) for name in Limits.__slots__}
    assert found.pop("attribute_value_length") is None
    assert set(found.values()) == {128}


def test_the_bytes_are_those_of_the_official_messages() -> None:
    record = full_span()
    record.events[1] = records.Event("e", 1, {})
    record.links = record.links[:1]
    for limits in (Limits(), Limits(attribute_count=1, event_count=1, link_count=0)):
        encoded = record_encoder.span(record, limits)
        assert encoded == decoded.span(encoded).SerializeToString()


def test_a_span_at_its_least() -> None:
    record = records.Span("", records.KIND_INTERNAL, TRACE_ID, SPAN_ID, 1, {})
    message = decoded.span(record_encoder.span(record, Limits()))
    assert message == Span(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=1,
        flags=0x101,
    )
    assert not message.HasField("status")


def test_status_without_a_message() -> None:
    record = records.Span("s", 1, TRACE_ID, SPAN_ID, 1, {})
    record.status_code = records.STATUS_OK
    message = decoded.span(record_encoder.span(record, Limits()))
    assert (message.status.code, message.status.message) == (1, "")


def test_fields_may_be_appended_to_a_span() -> None:
    record = full_span()
    record.end_unix_ns = 0
    item = abandoned(record_encoder.span(record, Limits()), 77, "timeout")
    (message,) = ScopeSpans.FromString(item).spans
    assert message.end_time_unix_nano == 77
    assert decoded.attributes(message.attributes) == {"a": 1, "b": "two", "error.type": "timeout"}
    expected = decoded.span(record_encoder.span(full_span(), Limits()))
    expected.end_time_unix_nano = 77
    expected.attributes.add(key="error.type").value.string_value = "timeout"
    assert message == expected


@pytest.mark.parametrize(
    ("count", "kept", "dropped"),
    [(None, 3, 0), (4, 3, 0), (3, 3, 0), (2, 2, 1), (1, 1, 2), (0, 0, 3)],
)
class TestCounts:
    """https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits."""

    def test_of_attributes(self, count: int | None, kept: int, dropped: int) -> None:
        record = records.Span("s", 1, TRACE_ID, SPAN_ID, 1, {"a": 1, "b": 2, "c": 3})
        message = decoded.span(record_encoder.span(record, Limits(attribute_count=count)))
        assert list(decoded.attributes(message.attributes)) == ["a", "b", "c"][:kept]
        assert message.dropped_attributes_count == dropped

    def test_of_events_of_which_the_last_are_kept(
        self, count: int | None, kept: int, dropped: int
    ) -> None:
        record = records.Span("s", 1, TRACE_ID, SPAN_ID, 1, {})
        record.events = [records.Event(name, 1, {}) for name in "abc"]
        message = decoded.span(record_encoder.span(record, Limits(event_count=count)))
        assert [event.name for event in message.events] == list("abc")[3 - kept :]
        assert message.dropped_events_count == dropped

    def test_of_links(self, count: int | None, kept: int, dropped: int) -> None:
        record = records.Span("s", 1, TRACE_ID, SPAN_ID, 1, {})
        record.links = [records.Link(TRACE_ID, bytes([0] * 7 + [n])) for n in (1, 2, 3)]
        message = decoded.span(record_encoder.span(record, Limits(link_count=count)))
        assert [link.span_id[7] for link in message.links] == [1, 2, 3][:kept]
        assert message.dropped_links_count == dropped

    def test_of_attributes_of_events_and_links(
        self, count: int | None, kept: int, dropped: int
    ) -> None:
        values: dict[str, object] = {"a": 1, "b": 2, "c": 3}
        record = records.Span("s", 1, TRACE_ID, SPAN_ID, 1, values)
        record.events = [records.Event("e", 1, values)]
        record.links = [records.Link(TRACE_ID, SPAN_ID, attributes=values)]
        limits = Limits(event_attribute_count=count, link_attribute_count=count)
        message = decoded.span(record_encoder.span(record, limits))
        assert len(message.events[0].attributes) == len(message.links[0].attributes) == kept
        assert message.events[0].dropped_attributes_count == dropped
        assert message.links[0].dropped_attributes_count == dropped
        assert (len(message.attributes), message.dropped_attributes_count) == (3, 0)


def test_the_value_length_limit_reaches_every_attribute_and_nothing_else() -> None:
    record = full_span()
    record.attributes = {"long key": "long value"}
    record.events = [records.Event("long name", 1, {"k": ["long value"]})]
    record.links = [records.Link(TRACE_ID, SPAN_ID, "key=long", 0, {"k": b"long value"})]
    message = decoded.span(record_encoder.span(record, Limits(attribute_value_length=2)))
    assert decoded.attributes(message.attributes) == {"long key": "lo"}
    assert decoded.attributes(message.events[0].attributes) == {"k": ["lo"]}
    assert decoded.attributes(message.links[0].attributes) == {"k": b"lo"}
    assert message.events[0].name == "long name"
    assert (message.name, message.status.message) == (record.name, "boom")


def test_shortened_limits_never_lengthen() -> None:
    own = Limits(1, 10, 2, 3, 4, 5)
    assert own.shortened(4096).attribute_value_length == 10
    assert own.shortened(7).attribute_value_length == 7
    assert Limits().shortened(4096).attribute_value_length == 4096
    others = [name for name in Limits.__slots__ if name != "attribute_value_length"]
    assert [getattr(own.shortened(7), name) for name in others] == [
        getattr(own, name) for name in others
    ]


def test_every_field_of_a_log_record() -> None:
    record = records.LogRecord(
        3,
        records.SEVERITY_ERROR,
        "ERROR",
        {"text": ["a", 1]},
        {"a": 1, "b": "long"},
        TRACE_ID,
        SPAN_ID,
        1,
        "faas.invocation.exception",
    )
    record.observed_unix_ns = 4
    limits = Limits(attribute_count=1, attribute_value_length=2)
    message = LogRecordMessage.FromString(record_encoder.log_record(record, limits))
    assert (message.time_unix_nano, message.observed_time_unix_nano) == (3, 4)
    assert (message.severity_number, message.severity_text) == (17, "ERROR")
    assert decoded.plain(message.body) == {"text": ["a", 1]}
    assert decoded.attributes(message.attributes) == {"a": 1}
    assert message.dropped_attributes_count == 1
    assert (message.trace_id, message.span_id, message.flags) == (TRACE_ID, SPAN_ID, 1)
    assert message.event_name == "faas.invocation.exception"


def test_a_log_record_at_its_least() -> None:
    record = records.LogRecord(1, 0, "", None, {})
    message = LogRecordMessage.FromString(record_encoder.log_record(record, Limits()))
    assert message == LogRecordMessage(time_unix_nano=1, observed_time_unix_nano=1)


def test_resources_know_no_limits() -> None:
    values: dict[str, object] = {f"key{n}": "v" * 10_000 for n in range(200)}
    message = Resource.FromString(encoder.resource(values))
    assert decoded.attributes(message.attributes) == values
    assert message.dropped_attributes_count == 0


def test_scope() -> None:
    message = ScopeSpans.FromString(encoder.scope("name", "1.2", "https://schema"))
    assert (message.scope.name, message.scope.version) == ("name", "1.2")
    assert message.schema_url == "https://schema"
    bare = ScopeSpans.FromString(encoder.scope("name"))
    assert (bare.scope.name, bare.scope.version, bare.schema_url) == ("name", "", "")


@given(st.text(), st.text(), st.text(), st.integers(0, U64), st.integers(0, 2**32 - 1))
def test_no_text_or_number_makes_a_span_unreadable(
    name: str, key: str, status: str, time_unix_ns: int, flags: int
) -> None:
    record = records.Span(name, 2, TRACE_ID, SPAN_ID, time_unix_ns, {key: status}, b"", "", flags)
    record.status_code, record.status_message = records.STATUS_ERROR, status
    message = decoded.span(record_encoder.span(record, Limits()))
    assert (message.name, message.status.message, message.flags) == (name, status, flags)
    assert message.start_time_unix_nano == time_unix_ns
    assert decoded.attributes(message.attributes) == {key: status}


@pytest.mark.parametrize("name_size", [0, 1, 60, 121, 122, 127, 128])
@pytest.mark.parametrize("size", [0, 1, 59, 60, 61, 62, 121, 122, 125, 126, 127, 128, 20_000])
def test_lengths_about_one_byte(name_size: int, size: int) -> None:
    values: dict[str, object] = {"k" * name_size: "v" * size, "é" * (name_size // 2): "é" * size}
    record = records.Span("s", 1, TRACE_ID, SPAN_ID, 1, values)
    message = decoded.span(record_encoder.span(record, Limits()))
    assert decoded.attributes(message.attributes) == values
