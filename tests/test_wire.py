from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_instrument import wire, wire_payloads

KINDS = st.sampled_from(sorted(wire.KINDS))
FRAMES = st.lists(st.tuples(KINDS, st.binary(max_size=40)), max_size=6)
GARBAGE = st.sampled_from(
    [
        b"GET / HT",
        b"SI\x03\x01\0\0\0\0",
        b"SI\x00\x01\0\0\0\0",
        b"SI\x04\x00\0\0\0\0",
        b"SI\x04\x0d\0\0\0\0",
        b"SI\x04\x80\0\0\0\0",
        b"SI\x04\xff\0\0\0\0",
        b"si\x03\x01\0\0\0\0",
        b"SI\x04\x01" + struct.pack("!I", wire.MAX_PAYLOAD_BYTES + 1),
        b"SI\x04\x01\xff\xff\xff\xff",
        bytes(8),
    ]
)
# A time limit per example measures the machine's other load, not the code.
untimed = settings(deadline=None)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@untimed
@given(FRAMES, st.lists(st.integers(0, 1000)))
def test_frames_come_out_as_they_went_in_whatever_the_split(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join([wire.frame(kind, payload) for kind, payload in frames])
    reader = wire.FrameReader()
    found = [frame for piece in pieces(data, cuts) for frame in reader.feed(piece)]
    assert found == frames
    assert reader.pending_bytes == 0


def test_every_split_in_two_and_byte_by_byte() -> None:
    frames = [(wire.HELLO, b""), (wire.SPANS, b"abc"), (wire.END, bytes(300))]
    data = b"".join([wire.frame(kind, payload) for kind, payload in frames])
    for cut in range(len(data) + 1):
        reader = wire.FrameReader()
        assert [*reader.feed(data[:cut]), *reader.feed(data[cut:])] == frames
    reader = wire.FrameReader()
    assert [frame for byte in data for frame in reader.feed(bytes((byte,)))] == frames


@untimed
@given(FRAMES, GARBAGE, st.binary(), st.lists(st.integers(0, 1000)))
def test_good_frames_before_a_defect_come_out_and_none_after_it(
    frames: list[tuple[int, bytes]], garbage: bytes, rest: bytes, cuts: list[int]
) -> None:
    data = b"".join([wire.frame(kind, payload) for kind, payload in frames])
    reader = wire.FrameReader()
    found: list[tuple[int, bytes]] = []

    def feed_all() -> None:
        for piece in pieces(data + garbage + rest, cuts):
            for frame in reader.feed(piece):
                found.append(frame)  # noqa: PERF402 - list.extend might keep none on an error

    with pytest.raises(wire.ProtocolError):
        feed_all()
    assert found == frames
    with pytest.raises(wire.ProtocolError):  # for good
        list(reader.feed(wire.frame(wire.HELLO, b"")))


@untimed
@given(st.lists(st.binary(max_size=50), max_size=5))
def test_any_bytes_raise_protocol_errors_only(parts: list[bytes]) -> None:
    reader = wire.FrameReader()
    try:
        for part in parts:
            list(reader.feed(part))
    except wire.ProtocolError:
        pass
    assert reader.pending_bytes <= sum(map(len, parts))


def test_the_bytes_on_the_wire() -> None:
    # A change of these is a change of wire.VERSION.
    assert wire.frame(wire.HELLO, wire.pack_hello(7, b"t", b"r")) == (
        b"SI\x04\x01\0\0\0\x07" + b"\0\0\0\x07\x01tr"
    )
    encoded = bytes(7) + b"\1" + bytes(7) + b"\2" + b"\x0a\2\x01\x02" + bytes(7) + b"\3idb"
    assert wire.pack_request("id", 1, 2, b"b", wire.FACT_COLDSTART | 2, 258, 3) == encoded
    assert wire_payloads.RequestPayload(encoded).facts == wire.FACT_COLDSTART | 2
    assert wire_payloads.RequestPayload(encoded).failed_items == 258
    assert wire_payloads.RequestPayload(encoded).cpu_ns == 3
    assert (
        wire_payloads.RequestPayload(wire.pack_request("id", 1, 2, b"", 0, 10**6)).failed_items
        == 0xFFFF
    )
    assert wire.pack_batch(b"s", b"i", 3) == b"\0\0\0\x03\0\x01si"
    kinds = [wire.HELLO, wire.START, wire.SPANS, wire.LOGS, wire.METRICS, wire.END]
    assert [*kinds, wire.LINES, wire.DEADLINE] == [1, 2, 3, 4, 5, 6, 7, 0x81]


def test_an_unfinished_frame_is_pending() -> None:
    reader = wire.FrameReader()
    data = wire.frame(wire.SPANS, b"abc")
    assert list(reader.feed(data + data[:-1])) == [(wire.SPANS, b"abc")]
    assert reader.pending_bytes == len(data) - 1


def test_frames_already_taken_are_gone_when_a_consumer_stops_early() -> None:
    reader = wire.FrameReader()
    data = wire.frame(wire.SPANS, b"a") + wire.frame(wire.LOGS, b"b")
    found = reader.feed(data)
    assert next(iter(found)) == (wire.SPANS, b"a")
    del found
    assert list(reader.feed(b"")) == [(wire.LOGS, b"b")]


def test_the_largest_payload() -> None:
    payload = bytes(wire.MAX_PAYLOAD_BYTES)
    assert list(wire.FrameReader().feed(wire.frame(wire.LOGS, payload))) == [(wire.LOGS, payload)]
    with pytest.raises(ValueError, match="3145729 bytes exceeds the limit of 3145728"):
        wire.frame(wire.LOGS, payload + b"x")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16383, b"\xff\x7f"),
        (300, b"\xac\x02"),  # the example of protobuf.dev/programming-guides/encoding
        (2**64 - 1, b"\xff" * 9 + b"\x01"),
    ],
)
def test_varint(value: int, encoded: bytes) -> None:
    assert wire.varint(value) == encoded


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000])
def test_field(size: int) -> None:
    assert wire.field(b"\x0a", b"x" * size) == b"\x0a" + wire.varint(size) + b"x" * size


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "/tmp/.serverless-instrument/forwarder.sock"),
        ({"SERVERLESS_INSTRUMENT_SOCKET": ""}, "/tmp/.serverless-instrument/forwarder.sock"),
        ({"SERVERLESS_INSTRUMENT_SOCKET": "/run/x.sock"}, "/run/x.sock"),
    ],
)
def test_socket_path(environ: dict[str, str], path: str) -> None:
    assert wire.socket_path(environ) == path


def test_a_digest_is_of_the_line_without_its_end() -> None:
    digest = wire.line_digest(b"123456789")
    assert digest == bytes.fromhex("cbf43926 00000009")  # the check value of CRC-32
    assert wire.line_digest(b"123456789\n") == digest
    assert wire.line_digest(b"123456789\r\n") == digest
    assert wire.line_digest(b" 123456789") != digest
    assert wire.line_digest(b"\n") == bytes(8)
