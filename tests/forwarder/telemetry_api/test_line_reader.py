"""What a line says of itself becomes a log record's fields."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.telemetry_api import line_reader, log_records

NOW_NS = 1_787_227_201_000_000_000
TIME_NS = 1_787_227_200_123_000_000
TRACEBACK = 'Traceback (most recent call last):\n  File "app.py", line 1\nValueError: boom\ntwice'


def read(text: str) -> log_records.Record:
    return line_reader.read(text, NOW_NS)


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
        ("2026-08-20 12:00:00.123 | WARNING  | app:handler:7 - careful", 13, "WARNING"),
        ("2026-08-20 12:00:00.123 | NOTHING  | app:handler:7 - careful", 0, ""),
        ('{"level": "debug", "message": "x"}', 5, "debug"),
        ('{"severity": "CRITICAL", "msg": "x"}', 21, "CRITICAL"),
        ('{"level": "info", "event": "x"}', 9, "info"),
        ('{"level": 40, "message": "x"}', 17, "40"),
        ('{"level": 99, "message": "x"}', 0, ""),
        ('{"level": "5", "message": "x"}', 0, ""),
        ('{"level": ["x"], "message": "x"}', 0, ""),
        ('{"level": "loud", "message": "x"}', 0, ""),
        ('{"level": "error"}', 0, ""),
        ("{not json}", 0, ""),
    ],
)
def test_severity(text: str, severity: int, level: str) -> None:
    record = read(text)
    assert (record.severity, record.level) == (severity, level)


def test_the_runtime_clients_text_format() -> None:
    record = read("[INFO]\t2026-08-20T12:00:00.123Z\ta-b-c\tsaid\twith a tab")
    assert (record.body, record.time_unix_ns) == ("said\twith a tab", TIME_NS)
    assert record.request_id == "a-b-c"


def test_a_stack_trace_below_a_message_is_its_exception() -> None:
    client = "[ERROR]\t2026-08-20T12:00:00.123Z\ta-b-c\tfailed\n"
    loguru = "2026-08-20 12:00:00.123 | ERROR    | app:handler:7 - failed\n"
    for opening in (client, loguru):
        record = read(opening + TRACEBACK)
        assert (record.body, record.severity) == ("failed", 17)
        assert record.exception["exception.stacktrace"] == TRACEBACK


def test_the_runtime_clients_json_format() -> None:
    line = {
        "timestamp": "2026-08-20T12:00:00.123Z",
        "level": "ERROR",
        "message": "failed",
        "logger": "app",
        "errorType": "ValueError",
        "errorMessage": "on purpose",
        "stackTrace": ["  File one\n", "  File two\n"],
        "requestId": "a-b-c",
        "order": 7,
        "nested": {"a": [1]},
    }
    record = read(json.dumps(line))
    assert (record.body, record.severity, record.time_unix_ns) == ("failed", 17, TIME_NS)
    assert (record.logger, record.attributes) == ("app", {"order": 7, "nested": '{"a": [1]}'})
    assert record.exception == {
        "exception.type": "ValueError",
        "exception.message": "on purpose",
        "exception.stacktrace": "  File one\n  File two\n",
    }
    error = {
        "timestamp": "2026-08-20T12:00:00.123Z",
        "level": "ERROR",
        "errorType": "ValueError",
        "errorMessage": "raised",
        "requestId": "a-b-c",
    }
    record = read(json.dumps(error))
    assert (record.body, record.severity) == ("raised", 17)
    assert record.exception["exception.type"] == "ValueError"


def test_a_message_that_is_an_object_has_fields() -> None:
    inner = json.dumps({"event": "said", "level": "warning", "k": 1})
    record = read(f"[ERROR]\t2026-08-20T12:00:00.123Z\ta-b-c\t{inner}")
    assert (record.body, record.severity, record.attributes) == ("said", 17, {"k": 1})


def test_loguru_serialized() -> None:
    line = {
        "text": "2026-08-20 12:00:00.123 | ERROR    | app:handler:7 - failed\n" + TRACEBACK + "\n",
        "record": {
            "level": {"icon": "x", "name": "ERROR", "no": 40},
            "message": "failed",
            "time": {"repr": "x", "timestamp": 1_787_227_200.123},
            "name": "app",
            "function": "handler",
            "line": 7,
            "file": {"name": "app.py", "path": "/var/task/app.py"},
            "extra": {"z": 1},
            "exception": {"type": "ValueError", "value": "boom", "traceback": True},
        },
    }
    record = read(json.dumps(line))
    assert (record.body, record.severity, record.logger) == ("failed", 17, "app")
    assert abs(record.time_unix_ns - TIME_NS) < 1000
    assert record.attributes["z"] == 1
    assert record.attributes["code.function.name"] == "handler"
    assert record.exception["exception.type"] == "ValueError"
    assert "line 1" in str(record.exception["exception.stacktrace"])


@pytest.mark.parametrize(
    "line",
    [
        {"version": "0", "time": "2021-01-01T12:00:00Z", "detail": {"a": 1}},
        {"name": "Ada", "level": "5", "message": "hi", "time": "2001-01-01T00:00:00Z"},
        {"ts": 1_600_000_000, "value": 3},
        {"error": "Traceback\nnot mine", "event": "signup", "severity": "low"},
        {"errorType": "E", "stackTrace": []},
        {"errorMessage": "alone", "name": "Ada"},
    ],
)
def test_data_of_the_functions_is_no_metadata(line: dict[str, object]) -> None:
    text = json.dumps(line)
    record = read(text)
    assert (record.body, record.time_unix_ns, record.severity) == (text, NOW_NS, 0)
    assert (record.logger, record.exception) == ("", {})
    assert set(record.attributes) == set(line)


@pytest.mark.parametrize("time", ["2021-01-01T12:00:00Z", "2031-01-01T12:00:00Z", "soon", 7])
def test_a_time_far_from_the_writing_is_none_of_a_loggers(time: object) -> None:
    record = read(json.dumps({"event": "x", "level": "info", "timestamp": time}))
    assert (record.body, record.time_unix_ns) == ("x", NOW_NS)


def test_what_a_long_line_and_many_fields_cost_is_bounded() -> None:
    many = read(json.dumps({f"k{number}": number for number in range(100)}))
    assert (len(many.attributes), many.dropped_attributes) == (64, 36)
    text = json.dumps({"level": "error", "message": "x" * 66_000})
    long = read(text)
    assert (long.body, long.severity, long.attributes) == (text, 0, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
KEYS = (
    *("level", "message", "timestamp", "logger", "stackTrace", "errorType", "exception", "event"),
    *("levelname", "log_level", "errorMessage", "text", "record", "severity", "msg", "x"),
)


@given(st.text(max_size=30) | st.dictionaries(st.sampled_from(KEYS), JSON).map(json.dumps))
def test_any_line_is_a_record(text: str) -> None:
    record = read(text)
    assert isinstance(record.body, str)
    assert record.time_unix_ns > 0


LEVELS = st.sampled_from(["ERROR", "info", "low", ""])


@given(
    st.fixed_dictionaries(
        {"level": LEVELS, "message": JSON},
        optional={"timestamp": JSON, "logger": JSON, "stackTrace": JSON, "errorType": JSON},
    )
)
def test_any_value_in_a_loggers_object(line: dict[str, object]) -> None:
    assert isinstance(read(json.dumps(line)).body, str)
