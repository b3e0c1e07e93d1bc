"""Fields of a message, and nothing but ValueError for what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from serverless_instrument import wire
from serverless_instrument.forwarder.codec import protobuf
from tests.wrapper.decoded import attributes, plain

U64 = (1 << 64) - 1


@given(st.integers(0, U64), st.binary(max_size=3), st.binary(max_size=3))
def test_a_varint_is_read_where_it_stands(value: int, before: bytes, after: bytes) -> None:
    encoded = wire.varint(value)
    data = before + encoded + after
    assert protobuf.varint(data, len(before)) == (value, len(before) + len(encoded))


def test_ten_bytes_hold_64_bits_and_the_rest_is_cut_off() -> None:
    assert protobuf.varint(b"\xff" * 9 + b"\x7f", 0) == (U64, 10)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, b"\x80" * 10 + b"\x01"])
def test_a_varint_that_does_not_end(data: bytes) -> None:
    with pytest.raises(ValueError, match="truncated"):
        protobuf.varint(data, 0)


def test_every_wire_type() -> None:
    data = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x02hi" + b"\x25" + bytes(4)
    assert list(protobuf.fields(data)) == [
        (1, protobuf.VARINT, 150),
        (2, protobuf.FIXED64, bytes(8)),
        (3, protobuf.BYTES, b"hi"),
        (4, protobuf.FIXED32, bytes(4)),
    ]
    assert list(protobuf.fields(b"")) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "truncated"),
        (b"\x11" + bytes(7), "truncated"),
        (b"\x25" + bytes(3), "truncated"),
        (b"\x1a\x03hi", "truncated"),
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated"),
        (b"\x00\x00", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0c", "wire type 4"),
        (b"\x0e", "wire type 6"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_what_is_no_message(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(protobuf.fields(data))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        found = list(protobuf.fields(data))
    except ValueError:
        return
    assert all(number > 0 for number, _, _ in found)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON)
def test_a_json_value_is_an_any_value(value: object) -> None:
    assert plain(AnyValue.FromString(protobuf.any_value(value))) == value


@given(st.text(max_size=5), JSON)
def test_an_attribute(name: str, value: object) -> None:
    assert attributes([KeyValue.FromString(protobuf.attribute(name, value))]) == {name: value}


def test_what_a_value_cannot_hold_is_text() -> None:
    assert plain(AnyValue.FromString(protobuf.any_value(1 << 63))) == str(1 << 63)
