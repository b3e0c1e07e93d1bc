from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument import json_line

NOW_UNIX_NS = 1_704_164_645_500_000_000  # 2024-01-02T03:04:05.5Z
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
_KEYS = st.sampled_from(
    ["level", "severity", "time", "timestamp", "message", "exception", "errorType", "stackTrace"]
)


@given(st.dictionaries(_KEYS | st.text(max_size=5), _JSON))
def test_any_object_is_understood_without_an_exception(body: dict[str, object]) -> None:
    line = json_line.parse(json.dumps(body))
    if not body:
        assert line is None
        return
    assert line is not None
    assert json.dumps(line.body) == json.dumps(body)
    assert line.time_unix_ns(NOW_UNIX_NS) > 0
    assert 0 <= line.severity <= 24


@given(st.text())
def test_any_text_is_a_json_object_or_none(text: str) -> None:
    assert json_line.parse("{" + text) is None or isinstance(json.loads("{" + text), dict)


@pytest.mark.parametrize(
    ("body", "level", "severity"),
    [
        ({"level": "WARNING"}, "WARNING", 13),
        ({"severity": "notice"}, "notice", 10),
        ({"log.level": "Fatal"}, "Fatal", 21),
        ({"level": 40}, "40", 17),
        ({"level": "loud"}, "loud", 0),
        ({"severity": "high", "level": "info"}, "info", 9),
        ({"severity": "high"}, "", 0),
        ({"level": True}, "", 0),
        ({"level": None, "levelname": "DEBUG"}, "DEBUG", 5),
    ],
)
def test_levels(body: dict[str, object], level: str, severity: int) -> None:
    line = json_line.JsonLine(body)
    assert (line.level, line.severity) == (level, severity)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"errorType": "ValueError", "errorMessage": "no", "stackTrace": ["  a\n", "  b"]},
            {
                "exception.type": "ValueError",
                "exception.message": "no",
                "exception.stacktrace": "  a\n  b\n",
            },
        ),
        (
            {"exc_info": "Traceback ...:\nmine.Error: it: failed\n", "n": 1},
            {
                "n": 1,
                "exception.type": "mine.Error",
                "exception.message": "it: failed",
                "exception.stacktrace": "Traceback ...:\nmine.Error: it: failed\n",
            },
        ),
        ({"error": "a word"}, {"error": "a word"}),
        ({"errorMessage": "no exception"}, {"errorMessage": "no exception"}),
        ({"exception": [1]}, {"exception": [1]}),
    ],
)
def test_exceptions(body: dict[str, object], expected: dict[str, object]) -> None:
    assert json_line.JsonLine(body).attributes == expected


def test_a_time_of_whole_seconds_gives_way_to_the_observed_one() -> None:
    assert json_line.JsonLine({"time": "2024-01-02T03:04:05Z"}).time_unix_ns(NOW_UNIX_NS) == (
        NOW_UNIX_NS
    )
    earlier = json_line.JsonLine({"ts": "2024-01-02T03:04:04Z"}).time_unix_ns(NOW_UNIX_NS)
    assert earlier == NOW_UNIX_NS - 1_500_000_000
    assert json_line.JsonLine({"ts": "now"}).time_unix_ns(NOW_UNIX_NS) == NOW_UNIX_NS
