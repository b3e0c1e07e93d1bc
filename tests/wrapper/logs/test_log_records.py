from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper.logs import log_frames, log_records
from serverless_instrument.wrapper.records import encoder, records
from tests.wrapper import decoded

NOW_UNIX_NS = 1_704_164_645_500_000_000
LIMITS = records.Limits()


def made(msg: object, *args: object, text: str = "", **given: object) -> records.LogRecord:
    record = logging.LogRecord("shop", 30, "/var/task/app.py", 7, msg, args, None, "handler")
    record.__dict__.update(given)
    return log_records.record_from_logging(record, record.__dict__.copy(), text, NOW_UNIX_NS)


def test_bodies_of_records() -> None:
    class Silent:
        def __str__(self) -> str:
            raise ValueError

    assert made("%s and %s", 1, 2).body == "1 and 2"
    assert made({"a": 1}).body == {"a": 1}
    assert made([1]).body == [1]
    assert made('{"a": 1}').body == {"a": 1}
    assert made("{not json").body == "{not json"
    assert made("%d", "x").body == "%d"
    assert made(ValueError("told")).body == "told"
    assert made(Silent()).body == "<Silent>"


def test_a_message_that_a_formatter_has_made_is_not_made_again() -> None:
    record = logging.LogRecord("shop", 30, "", 7, "one %s", (1,), None)
    before = record.__dict__.copy()
    record.message, record.msg = "formatted", "two %s"
    assert log_records.record_from_logging(record, before, "", NOW_UNIX_NS).body == "formatted"
    del record.message
    line = '{"message": "written"}'
    assert log_records.record_from_logging(record, before, line, NOW_UNIX_NS).body == "written"


def test_fields_of_records() -> None:
    record = made("hello", text='{"service": "shop", "mine": 2}', mine=1, stack_info="Stack")
    assert record.attributes == {"mine": 1, "service": "shop", "code.stacktrace": "Stack"}
    assert (record.severity_number, record.severity_text) == (13, "WARNING")
    assert made("hello", text="{not json", levelno="odd").severity_number == 0
    assert made("hello", created=0).time_unix_ns == NOW_UNIX_NS
    assert made('{"a": 1}').attributes == {"a": 1}


@pytest.mark.parametrize("given", [True, (None, None, None), "x", ()])
def test_an_exception_that_is_none(given: object) -> None:
    assert made("hello", exc_info=given).attributes == {}


def test_an_exception() -> None:
    try:
        raise KeyError("a")
    except KeyError:
        record = made("hello", exc_info=sys.exc_info())
    assert record.attributes["exception.type"] == "KeyError"


@pytest.mark.parametrize(
    ("text", "severity", "name", "body"),
    [
        ("plain\r", 0, "", "plain"),
        ("[ERROR] E: x\r\u00a0\u00a0at", 17, "ERROR", "[ERROR] E: x\n  at"),
        ("[INFO]\tnow", 9, "INFO", "[INFO]\tnow"),
        ("[1, 2]", 0, "", "[1, 2]"),
        ("[", 0, "", "["),
    ],
)
def test_lines_of_text(text: str, severity: int, name: str, body: str) -> None:
    record, logger = log_records.record_from_line(text, NOW_UNIX_NS)
    assert (record.severity_number, record.severity_text, record.body) == (severity, name, body)
    assert (record.time_unix_ns, record.attributes, logger) == (NOW_UNIX_NS, {}, "")


def test_a_record_that_fits_no_frame_comes_in_parts() -> None:
    text = "é" * 2_000_000
    parts = log_frames.encoded_parts(log_records.record_from_line(text, NOW_UNIX_NS)[0], LIMITS)
    assert all(len(part) < wire.MAX_PAYLOAD_BYTES for part in parts)
    batch = wire.pack_batch(b"", b"".join(map(encoder.item, parts)), len(parts))
    told = [decoded.plain(record.body) for record in decoded.log_records(batch)]
    assert "".join(map(str, told)) == text


def test_values_that_fit_no_frame_are_cut() -> None:
    record = made("hello", huge="x" * 4_000_000)
    (part,) = log_frames.encoded_parts(record, LIMITS)
    assert len(part) < 10_000
    (part, *_) = log_frames.encoded_parts(made({"a": ["x" * 2_000_000] * 2}), LIMITS)
    assert len(part) < wire.MAX_PAYLOAD_BYTES


def test_a_structure_that_fits_no_frame_with_values_that_do() -> None:
    (part,) = log_frames.encoded_parts(made({"a": 1}, huge="x" * 4_000_000), LIMITS)
    assert len(part) < 10_000


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.binary(max_size=9)), max_size=9))
def test_frames_keep_the_order(scoped: list[tuple[bytes, bytes]]) -> None:
    found = []
    for kind, payload in decoded.frames(log_frames.encode_frames(scoped, "", [])):
        assert kind == wire.LOGS
        scope, items, count = wire_payloads.unpack_batch(payload)
        found.append((scope, items, count))
    assert b"".join([items for _, items, _ in found]) == b"".join(
        [encoder.item(message) for _, message in scoped]
    )
    assert sum([count for _, _, count in found]) == len(scoped)


def test_frames_have_a_size() -> None:
    scoped = [(b"a", bytes(600_000))] * 5
    assert len(decoded.frames(log_frames.encode_frames(scoped, "", []))) == 5
    digests = [bytes(8)] * 100_000
    kinds = [kind for kind, _ in decoded.frames(log_frames.encode_frames([], "id", digests))]
    assert kinds == [wire.LINES] * 2


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        ("text", b"text"),
        ("caf\u00e9\r", "caf\u00e9".encode()),
        ("caf\udce9", "caf\ufffd".encode()),
        ("\ud800", b"?"),
        ("", b""),
    ],
)
def test_digests(line: str, raw: bytes) -> None:
    assert log_frames.text_digest(line) == wire.line_digest(raw)
