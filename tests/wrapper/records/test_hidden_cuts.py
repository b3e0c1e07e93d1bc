"""Where the forwarder masks what leaves, nothing is cut that a pattern might have found whole."""

from __future__ import annotations

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from serverless_instrument.wrapper.invocation.payload import Rules, text_of
from serverless_instrument.wrapper.logs.log_frames import encoded_parts
from serverless_instrument.wrapper.records import encoder, records
from serverless_instrument.wrapper.settings import Settings
from tests.wrapper import decoded

MASK = {"SERVERLESS_INSTRUMENT_MASK": "secret"}


@pytest.mark.usefixtures("hiding")
def test_a_text_over_a_limit_is_hidden() -> None:
    assert decoded.value(encoder.any_value("abcdef", 3)) == "***"
    assert decoded.value(encoder.any_value(["abcdef", "abc", b"abcd"], 3)) == ["***", "abc", "***"]
    assert encoder.cut_unlimited("a" * 65_536, 9) == "a" * 65_536
    assert encoder.cut_unlimited("a" * 65_537, 9) == "***"


def test_without_a_mask_it_is_cut() -> None:
    assert decoded.value(encoder.any_value(["abcdef", b"abcd"], 3)) == ["abc", b"abc"]
    assert encoder.cut_unlimited("abcdef", 3) == "abc"


@pytest.mark.usefixtures("hiding")
def test_a_body_that_fits_no_frame_is_hidden() -> None:
    record = records.LogRecord(1, 9, "INFO", "x" * 4_000_000, {"a": "b"})
    (part,) = encoded_parts(record, records.Limits())
    shown = LogRecord.FromString(part)
    assert (shown.body.string_value, shown.attributes[0].value.string_value) == ("***", "b")


def test_limits_are_left_to_the_forwarder() -> None:
    environ = {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "7", "OTEL_ATTRIBUTE_COUNT_LIMIT": "9"}
    masked, plain = Settings({**environ, **MASK}), Settings(environ)
    assert (masked.masked, plain.masked) == (True, False)
    assert (plain.limits.attribute_value_length, plain.log_limits.attribute_value_length) == (7, 7)
    assert masked.limits.attribute_value_length is None
    assert masked.log_limits.attribute_value_length is None
    assert masked.limits.attribute_count == 9
    assert (masked.payload_bytes, plain.payload_bytes) == (256 * 1024, 16384)


def test_a_payload_has_whole_texts_or_none() -> None:
    payload = {"a": "x" * 50, "b": "y" * 50}
    assert text_of(payload, Rules(80, 9, whole=True)) == '{"a": "' + "x" * 50 + '", "b": "..."}'
    assert '"b": "yyyy' in text_of(payload, Rules(80, 9))
