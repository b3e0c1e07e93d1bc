"""Output bytes cut into records, whatever the portions they come in."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.local.environment.log_stream import (
    MAX_LINE_BYTES,
    FrameReader,
    LineReader,
    LogRecord,
)


def frame(message: bytes, time_us: int = 1_700_000_000_000_001, kind: int = 0xA55A0003) -> bytes:
    return struct.pack("!IIQ", kind, len(message), time_us) + message


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in zip(edges, edges[1:])]  # noqa: B905, RUF007 - 3.10


@given(st.lists(st.text(alphabet="aé\t ", max_size=8)), st.lists(st.integers(0, 1000)))
def test_lines_do_not_depend_on_the_portions(lines: list[str], cuts: list[int]) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    reader = LineReader()
    records = [record for portion in split(data, cuts) for record in reader.read_records(portion)]
    assert [record.text for record in records] == lines
    assert reader.read_rest() == []


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 1000)))
def test_frames_do_not_depend_on_the_portions(messages: list[bytes], cuts: list[int]) -> None:
    reader = FrameReader()
    portions = split(b"".join(frame(message) for message in messages), cuts)
    records = [record for portion in portions for record in reader.read_records(portion)]
    expected = [message.removesuffix(b"\n").decode("utf-8", "replace") for message in messages]
    assert [record.text for record in records] == expected


def test_last_line_without_newline() -> None:
    reader = LineReader()
    assert reader.read_records(b"one\ntwo") == [LogRecord("one")]
    assert reader.read_rest() == [LogRecord("two")]
    assert reader.read_rest() == []


def test_carriage_return_before_the_newline_goes() -> None:
    assert LineReader().read_records(b"one\r\ntwo\n") == [LogRecord("one"), LogRecord("two")]


def test_line_over_the_limit_is_cut() -> None:
    reader = LineReader()
    records = reader.read_records(b"x" * (2 * MAX_LINE_BYTES + 5) + b"\nnext\n")
    assert [len(record.text) for record in records] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 5, 4]
    unfinished = reader.read_records(b"y" * (MAX_LINE_BYTES + 1))
    assert [len(record.text) for record in unfinished] == [MAX_LINE_BYTES]
    assert reader.read_rest() == [LogRecord("y")]


def test_frame_has_its_own_time_and_keeps_inner_newlines() -> None:
    records = FrameReader().read_records(frame(b"two\nlines\n"))
    assert records == [LogRecord("two\nlines", 1_700_000_000_000_001_000)]


def test_every_level_is_a_frame_and_anything_else_is_text() -> None:
    reader = FrameReader()
    assert [r.text for r in reader.read_records(frame(b"a", kind=0xA55A0017))] == ["a"]
    assert [r.text for r in reader.read_records(b"no frame at all, surely")] == [
        "no frame at all, surely"
    ]
    assert [r.text for r in reader.read_records(frame(b"b", kind=0xA55A000E))] == ["b"]


def test_frame_cut_short_by_a_crash() -> None:
    reader = FrameReader()
    assert reader.read_records(frame(b"interrupted")[:-4]) == []
    assert [record.text for record in reader.read_rest()] == ["interru"]
