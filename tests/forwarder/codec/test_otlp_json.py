"""OTLP/JSON is what protobuf's own JSON mapping makes of a message, but for ids and enumerations.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import json
import math
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument import wire
from serverless_instrument.forwarder.codec.otlp_json import encode_json
from tests.forwarder import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor

_HEXADECIMAL = {"traceId", "spanId", "parentSpanId"}
# References into the dictionary of a profiles request; there is none in other signals.
_PROFILES_ONLY = {"key_strindex", "string_value_strindex"}
_DEPTH = 8


def value_of(field: FieldDescriptor, random: Random) -> object:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return random.randbytes(random.choice([0, 1, 8, 16]))
        return random.choice(["", "a", "caf\u00e9 \U0001f600", '\x00\n"\\', "x" * 200])
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return random.choice(
            [0.0, -0.0, 0.1, 1e300, -5e-324, math.nan, math.inf, -math.inf, random.random()]
        )
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice([0, 1, 2, 99, -1, -(1 << 31)])
    bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
    unsigned = kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
    low, high = (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return random.choice([0, 1, low, high, random.randint(low, high)])


# A Descriptor is that of the package's Python or C implementation, which the stubs tell apart.
def chosen(descriptor: Any, random: Random) -> list[FieldDescriptor]:
    """Fields to set: of a oneof one, of the others some."""
    one_of = {random.choice(list(group.fields)).name for group in descriptor.oneofs}
    return [
        field
        for field in descriptor.fields
        if field.name not in _PROFILES_ONLY
        and (field.name in one_of if field.containing_oneof else True)
        and random.random() < 0.7
    ]


def fill(message: Message, random: Random, depth: int = _DEPTH) -> None:
    """Set random fields of `message` to random values."""
    for field in chosen(message.DESCRIPTOR, random):
        count = random.choice([1, 1, 2])
        if field.message_type is not None:
            if depth:
                at = getattr(message, field.name)
                for _ in range(count if field.is_repeated else 1):
                    part = at.add() if field.is_repeated else at
                    part.SetInParent()
                    fill(part, random, depth - 1)
        elif field.is_repeated:
            values = [value_of(field, random) for _ in range(count)]
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, value_of(field, random))


def made(signal: str, seed: int) -> Message:
    message = encoded.REQUESTS[signal]()
    fill(message, Random(seed))
    return message


def expected(message: Message) -> object:
    return with_hexadecimal_ids(json_format.MessageToDict(message, use_integers_for_enums=True))


def with_hexadecimal_ids(value: Any) -> Any:
    return with_ids(value, lambda text: base64.b64decode(text).hex())


def with_base64_ids(value: Any) -> Any:
    return with_ids(value, lambda text: base64.b64encode(bytes.fromhex(text)).decode())


def with_ids(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with every id changed."""
    if isinstance(value, dict):
        return {
            key: change(inner) if key in _HEXADECIMAL else with_ids(inner, change)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [with_ids(inner, change) for inner in value]
    return value


def refuse_constant(text: str) -> object:
    raise AssertionError(f"{text} is no JSON")


def converted(signal: str, body: bytes) -> object:
    return json.loads(encode_json(signal, body), parse_constant=refuse_constant)


SEEDS = st.integers(0, 1 << 32)


@given(encoded.SIGNALS, SEEDS)
def test_agrees_with_protobufs_own_mapping(signal: str, seed: int) -> None:
    message = made(signal, seed)
    assert converted(signal, message.SerializeToString()) == expected(message)


def test_the_messages_made_here_reach_every_field() -> None:
    """Otherwise the comparison above would prove less than it says."""

    def names(message: Message) -> set[str]:
        found = set()
        for field, value in message.ListFields():
            found.add(field.full_name)
            if field.message_type is not None:
                for part in value if field.is_repeated else [value]:
                    found |= names(part)
        return found

    def all_names(descriptor: Descriptor, known: set[str]) -> set[str]:
        for field in descriptor.fields:
            if field.full_name not in known and field.name not in _PROFILES_ONLY:
                known.add(field.full_name)
                if field.message_type is not None:
                    all_names(field.message_type, known)
        return known

    for signal, request in encoded.REQUESTS.items():
        reached = set().union(*(names(made(signal, seed)) for seed in range(300)))
        assert reached == all_names(request.DESCRIPTOR, set())


@given(encoded.SIGNALS, SEEDS, SEEDS)
def test_joined_requests_are_their_merge(signal: str, one: int, two: int) -> None:
    joined = made(signal, one).SerializeToString() + made(signal, two).SerializeToString()
    assert converted(signal, joined) == expected(encoded.REQUESTS[signal].FromString(joined))


@given(encoded.SIGNALS, SEEDS, st.integers(0, 1 << 16))
def test_a_request_that_is_cut_off_is_converted_or_a_value_error(
    signal: str, seed: int, cut: int
) -> None:
    body = made(signal, seed).SerializeToString()
    agrees_or_refuses(signal, body[: cut % (len(body) + 1)])


@given(encoded.SIGNALS, SEEDS, st.lists(st.tuples(SEEDS, st.integers(0, 255)), max_size=4))
def test_a_request_with_other_bytes_in_it_is_converted_or_a_value_error(
    signal: str, seed: int, changes: list[tuple[int, int]]
) -> None:
    body = bytearray(made(signal, seed).SerializeToString() or b"\0")
    for index, byte in changes:
        body[index % len(body)] = byte
    agrees_or_refuses(signal, bytes(body))


@given(encoded.SIGNALS, st.binary(max_size=80))
def test_any_bytes_are_converted_or_a_value_error(signal: str, body: bytes) -> None:
    agrees_or_refuses(signal, body)


def agrees_or_refuses(signal: str, body: bytes) -> None:
    try:
        found = converted(signal, body)
    except ValueError:
        return
    try:
        message = encoded.REQUESTS[signal].FromString(body)
    except DecodeError:  # it also looks at the encoding of text, and where numbers end
        return
    if "Strindex" not in str(document := expected(message)):
        # A zero that is written out and one that is not mean the same.
        read = json_format.ParseDict(with_base64_ids(found), encoded.REQUESTS[signal]())
        assert expected(read) == document


def span(tagged: bytes) -> dict[str, Any]:
    """The JSON of one span that consists of `tagged` fields."""
    body = wire.field(b"\x0a", wire.field(b"\x12", wire.field(b"\x12", tagged)))
    document: Any = converted("traces", body)
    found: dict[str, Any] = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    return found


def test_as_the_specification_has_it() -> None:
    message = encoded.span("GET /")
    found = span(message.SerializeToString())
    assert found == {
        "traceId": "000102030405060708090a0b0c0d0e0f",
        "spanId": "0000000000000001",
        "name": "GET /",
        "kind": 2,
        "startTimeUnixNano": "1700000000000000001",
        "status": {"code": 2},
    }


def test_a_message_in_parts_is_merged_and_the_last_of_a_scalar_counts() -> None:
    status = wire.field(b"\x7a", b"\x12\x01a") + wire.field(b"\x7a", b"\x18\x02")
    assert span(status) == {"status": {"message": "a", "code": 2}}
    assert span(b"\x30\x01\x30\x03") == {"kind": 3}


def test_of_a_oneof_the_last_counts() -> None:
    def attribute(value: bytes) -> object:
        key_value = wire.field(b"\x0a", b"k") + wire.field(b"\x12", value)
        return span(wire.field(b"\x4a", key_value))["attributes"][0]["value"]

    text, number, array = b"\x0a\x01s", b"\x18\x05", b"\x2a\x04\x0a\x02\x18\x01"
    assert attribute(text + number) == {"intValue": "5"}
    assert attribute(number + text) == {"stringValue": "s"}
    assert attribute(array + text) == {"stringValue": "s"}
    assert attribute(text + array) == {"arrayValue": {"values": [{"intValue": "1"}]}}
    assert attribute(array + array) == {
        "arrayValue": {"values": [{"intValue": "1"}, {"intValue": "1"}]}
    }


@pytest.mark.parametrize(
    "field",
    [
        b"\x0d" + bytes(4),  # trace_id as a fixed32
        b"\x08\x01",  # trace_id as a varint
        b"\x32\x01x",  # kind as bytes
        b"\x38\x01",  # start time as a varint
        b"\x3d" + bytes(4),  # start time as a fixed32
        b"\x48\x01",  # an attribute as a varint
        b"\x78\x01",  # status as a varint
        b"\xf8\x7f\x01",  # field 2047
    ],
)
def test_a_field_of_another_wire_type_is_unknown(field: bytes) -> None:
    assert span(field) == {}


def test_repeated_numbers_packed_or_not() -> None:
    def point(fields: bytes) -> Any:
        histogram = wire.field(b"\x4a", wire.field(b"\x0a", fields))
        body = wire.field(b"\x0a", wire.field(b"\x12", wire.field(b"\x12", histogram)))
        document: Any = converted("metrics", body)
        metric = document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]
        return metric["histogram"]["dataPoints"][0]

    five = (5).to_bytes(8, "little")
    assert point(wire.field(b"\x32", five * 2)) == {"bucketCounts": ["5", "5"]}
    assert point(b"\x31" + five + b"\x31" + five) == {"bucketCounts": ["5", "5"]}
    assert point(b"\x31" + five + wire.field(b"\x32", five)) == {"bucketCounts": ["5", "5"]}
    assert point(wire.field(b"\x32", b"") + b"\x30\x05") == {}
    with pytest.raises(ValueError, match="truncated"):
        point(wire.field(b"\x32", five + b"\0"))


def test_nested_deeper_than_calls_go_is_a_value_error() -> None:
    value = b"\x18\x01"
    for _ in range(2000):
        value = wire.field(b"\x2a", wire.field(b"\x0a", value))
    body = wire.field(b"\x0a", wire.field(b"\x0a", wire.field(b"\x0a", wire.field(b"\x12", value))))
    with pytest.raises(ValueError, match="nested too deeply"):
        encode_json("traces", body)
