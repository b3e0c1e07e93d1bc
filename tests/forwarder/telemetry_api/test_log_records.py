"""What a line says of itself becomes a log record's fields."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from serverless_instrument.forwarder.telemetry_api import log_records
from serverless_instrument.forwarder.telemetry_api.line_attribution import Context
from serverless_instrument.forwarder.telemetry_api.log_records import Record
from tests.wrapper.decoded import attributes, value

NOW_NS = 1_787_227_200_000_000_000
TIME_NS = 1_787_227_200_123_000_000


def decoded(record: Record, context: Context | None = None) -> LogRecord:
    (one,) = ScopeLogs.FromString(log_records.encode(record, context, NOW_NS + 5)).log_records
    return one


@pytest.mark.parametrize(
    ("text", "severity", "level"),
    [
        ("just words", 0, ""),
        ("[ERROR] ValueError: no", 17, "ERROR"),
        ("[warning] careful", 13, "warning"),
        ("[1, 2, 3]", 0, ""),
        ("ERROR:app:no", 17, "ERROR"),
        ("WARNING careful", 13, "WARNING"),
        ("Error in a sentence", 0, ""),
        ("ERRORS in a sentence", 0, ""),
        ("Traceback (most recent call last):", 17, ""),
        ("Fatal Python error: Segmentation fault", 21, ""),
        ('{"level": "debug", "message": "x"}', 5, "debug"),
        ('{"severity": "CRITICAL", "msg": "x"}', 21, "CRITICAL"),
        ('{"level": 40, "message": "x"}', 17, "40"),
        ('{"level": 99, "message": "x"}', 24, "99"),
        ('{"level": ["x"], "message": "x"}', 0, ""),
        ('{"level": "loud", "message": "x"}', 0, "loud"),
        ("{not json}", 0, ""),
    ],
)
def test_severity(text: str, severity: int, level: str) -> None:
    record = decoded(log_records.read(text, NOW_NS))
    assert (record.severity_number, record.severity_text) == (severity, level)


def test_the_runtime_clients_text_format() -> None:
    text = "[INFO]\t2026-08-20T12:00:00.123Z\ta-b-c\tsaid\twith a tab"
    record = decoded(log_records.read(text, NOW_NS))
    assert record.body.string_value == "said\twith a tab"
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (TIME_NS, NOW_NS + 5)
    assert attributes(record.attributes) == {"faas.invocation_id": "a-b-c"}


def test_the_runtime_clients_json_format() -> None:
    line = {
        "timestamp": "2026-08-20T12:00:00.123Z",
        "level": "ERROR",
        "message": "failed",
        "logger": "app",
        "errorType": "ValueError",
        "errorMessage": "on purpose",
        "stackTrace": ["  File one", "  File two"],
        "requestId": "a-b-c",
        "exception": None,
    }
    record = decoded(log_records.read(json.dumps(line), NOW_NS))
    assert value(record.body.SerializeToString()) == line
    assert (record.severity_number, record.time_unix_nano) == (17, TIME_NS)
    assert attributes(record.attributes) == {
        "exception.type": "ValueError",
        "exception.message": "on purpose",
        "exception.stacktrace": "  File one\n  File two\n",
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"message": "x", "order": 7, "requestId": "a"}, {"order": 7}),
        ({"message": "x", "error": "a word"}, {"error": "a word"}),
        (
            {"message": "x", "exception": "one\ntwo"},
            {"exception.type": "two", "exception.stacktrace": "one\ntwo"},
        ),
        ({"errorType": "E", "stackTrace": []}, {"exception.type": "E"}),
        ({"errorMessage": "alone"}, {"errorMessage": "alone"}),
        ({"errorType": 7}, {"errorType": 7}),
    ],
)
def test_fields_of_json_lines(line: dict[str, object], expected: dict[str, object]) -> None:
    assert log_records.read(json.dumps(line), NOW_NS).attributes == expected


def test_a_json_line_without_a_message_is_the_body_as_a_whole() -> None:
    record = decoded(log_records.read('{"a": {"b": [1, 2.5, null, true]}}', NOW_NS))
    inner = record.body.kvlist_value.values[0].value.kvlist_value.values[0]
    assert [value.WhichOneof("value") for value in inner.value.array_value.values] == [
        "int_value",
        "double_value",
        None,
        "bool_value",
    ]


def test_a_record_stands_under_its_span() -> None:
    record = decoded(Record("x", 0), Context(b"t" * 16, b"s" * 8, b"", 0))
    assert (record.trace_id, record.span_id, record.flags) == (b"t" * 16, b"s" * 8, 1)
    assert record.time_unix_nano == 0
    bare = decoded(Record("x", 7), Context(b"", b"", b"", 0))
    assert (bare.trace_id, bare.flags, bare.time_unix_nano) == (b"", 0, 7)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(
    st.text(max_size=30)
    | st.dictionaries(
        st.sampled_from(["level", "message", "timestamp", "stackTrace", "exception", "x"]), JSON
    ).map(json.dumps)
)
def test_any_line_is_a_record(text: str) -> None:
    record = decoded(log_records.read(text, NOW_NS))
    assert record.HasField("body")


def test_what_is_nested_deeply_or_large_is_still_a_value() -> None:
    deep: object = "x"
    for _ in range(60):
        deep = [deep]
    for extreme in (deep, 1 << 70, -(1 << 63), "\ud800"):
        encoded = decoded(Record(extreme, 0)).body
        assert AnyValue.WhichOneof(encoded, "value") is not None
