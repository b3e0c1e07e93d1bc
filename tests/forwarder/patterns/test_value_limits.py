"""What limits leave of values that have been masked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.patterns.value_limits import ValueLimits, cut_text

PAYLOAD = "aws.lambda.response.payload"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner),
)


def limits(payload: int = 16384, **environ: str) -> ValueLimits:
    name = "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_BYTES"
    return ValueLimits({name: str(payload), **environ})


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        (60, '{"a": [1, 2, 3, "xxxxxxxx"], "b": {"c": 1.5, "d": null}}'),
        (40, '{"a": [1, 2, 3, "xxxxxxxx"], "b": {"...": "..."}}'),
        (20, '{"a": [1, 2, 3, "..."], "...": "..."}'),
        (0, '{"...": "..."}'),
    ],
)
def test_a_payload_is_cut_to_json(limit: int, shown: str) -> None:
    text = '{"a": [1, 2, 3, "xxxxxxxx"], "b": {"c": 1.5, "d": null}}'
    assert limits(limit).cut(text, PAYLOAD, "traces") == shown
    assert limits(limit).cut(text, "other", "traces") == text


@given(JSON, st.integers(0, 60))
def test_a_payload_is_never_much_longer_than_its_limit(value: Any, limit: int) -> None:
    shown = limits(limit).cut(json.dumps(value, ensure_ascii=False), PAYLOAD, "traces")
    assert isinstance(shown, str)
    json.loads(shown)
    # Punctuation and escapes come on top, and "..." at each level of what is open.
    assert len(shown) <= 6 * limit + 200


def test_a_payload_whose_mask_broke_it_is_cut_as_text() -> None:
    assert limits(8).cut('{"n": ***, "m": 1}', PAYLOAD, "traces") == '{"n": **...'


def test_the_length_of_values_is_that_of_their_signal() -> None:
    own = limits(
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="3", OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT="4"
    )
    value = ["abcdef", {"k": "abcdef"}, b"abcdef", 123456]
    assert own.cut(value, "a", "traces") == ["abc", {"k": "abc"}, b"abc", 123456]
    assert own.cut("abcdef", "a", "logs") == "abcd"
    assert own.cut("abcdef", "a", "metrics") == "abcdef"


def test_a_name_is_cut_between_characters() -> None:
    assert cut_text("é".encode() * 5000).decode() == "é" * 4096
