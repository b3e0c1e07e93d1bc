"""Subclasses of the built-in types whose methods raise or lie, wherever a record may have one."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serverless_instrument.wrapper.records import record_encoder, records


def _refuse(*_: object) -> Any:
    raise RuntimeError("not to be called")


METHODS = dict.fromkeys(
    (
        *("__str__", "__repr__", "__format__", "__getitem__", "__iter__", "encode"),
        *("__int__", "__index__", "__float__", "__and__", "__rand__"),
    ),
    _refuse,
)
Text: Any = type("Text", (str,), METHODS)
Whole: Any = type("Whole", (int,), METHODS)
Real: Any = type("Real", (float,), METHODS)


def encoded(**changes: Any) -> Span:
    span = records.Span("name", 1, bytes(16), bytes(8), 1, {}, b"")
    span.end_unix_ns = 2
    for name, value in changes.items():
        setattr(span, name, value)
    return Span.FromString(record_encoder.span(span, records.Limits()))


def test_as_an_attribute() -> None:
    for value, kind, plain in (
        (Text("text"), "string_value", "text"),
        (Whole(5), "int_value", 5),
        (Real(0.5), "double_value", 0.5),
    ):
        (attribute,) = encoded(attributes={"key": value}).attributes
        assert getattr(attribute.value, kind) == plain
        (nested,) = encoded(attributes={"key": [value]}).attributes
        assert getattr(nested.value.array_value.values[0], kind) == plain


def test_as_a_key_and_a_name() -> None:
    span = encoded(attributes={Text("key"): 1}, name=Text("span"))
    assert (span.attributes[0].key, span.name) == ("key", "span")


def test_as_an_events_name_and_time() -> None:
    span = encoded(events=[records.Event(Text("event"), Whole(7), {})])
    assert (span.events[0].name, span.events[0].time_unix_nano) == ("event", 7)


def test_as_a_status_message() -> None:
    span = encoded(status_code=2, status_message=Text("broken"))
    assert span.status.message == "broken"
