from __future__ import annotations

import collections
import enum
import math
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from serverless_instrument.wrapper.records import encoder, record_encoder, records
from serverless_instrument.wrapper.records.records import Event, Span
from tests.wrapper import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

INT64 = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError("no text")


class Number(int):
    def __int__(self) -> int:
        raise ValueError("no number")


class Real(float):
    def __float__(self) -> float:
        raise ValueError("no number")


class Mapped(dict[str, object]):
    pass


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(str, enum.Enum):
    ON = "on"


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")

    def __repr__(self) -> str:
        raise ValueError("no text")


class NotText:
    def __str__(self) -> str:
        return 5  # type: ignore[return-value] # noqa: PLE0307 - what a careless class does


class Impostor:
    """Claims to be another class, as mocks and proxies do."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @property  # type: ignore[misc] # lies, which is the point
    def __class__(self) -> Any:
        return self._kind

    def __str__(self) -> str:
        return "an impostor"


class Classless:
    @property  # type: ignore[misc] # lies, which is the point
    def __class__(self) -> Any:
        raise RuntimeError("none of your business")

    def __str__(self) -> str:
        return "classless"


class Array:
    """A numpy array as the encoder sees it: comparisons and truth are not what they seem."""

    __hash__ = None  # type: ignore[assignment] # as numpy's

    def __eq__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def __len__(self) -> int:
        raise TypeError("len() of unsized object")

    def __str__(self) -> str:
        return "[1 2]"


def type_names(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("", ""),
        ("naïve ☃ 🚀", "naïve ☃ 🚀"),
        ("\0 nul", "\0 nul"),
        (True, True),
        (False, False),
        (0, 0),
        (-1, -1),
        (127, 127),
        (128, 128),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, "0x8000000000000000"),
        (-(2**63) - 1, "-0x8000000000000001"),
        (1.5, 1.5),
        (-0.0, -0.0),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (None, None),
        (b"\x00\xff", b"\x00\xff"),
        (b"", b""),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[::2], b"ac"),
        ([], []),
        ({}, {}),
        ((1, "a", None, [2.5], {"k": b"v"}), [1, "a", None, [2.5], {"k": b"v"}]),
        ([None, None], [None, None]),
        (frozenset({7}), [7]),
        ({True}, [True]),
        ({"a": {"b": [{"c": None}]}, "": 1}, {"a": {"b": [{"c": None}]}, "": 1}),
        (
            {1: "a", None: "b", ("t",): "c", 0.5: "d"},
            {"1": "a", "None": "b", "('t',)": "c", "0.5": "d"},
        ),
        (Text("sub"), "sub"),
        (Number(5), 5),
        (Number(2**70), hex(2**70)),
        (Real(0.5), 0.5),
        (Mapped(a=1), {"a": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (Colour.RED, "Colour.RED"),
        (Level.HIGH, 3),
        (Mode.ON, "on"),
        (1j, "1j"),
        (object, "<class 'object'>"),
        (Unprintable(), "<Unprintable>"),
        (NotText(), "<NotText>"),
        (Impostor(str), "an impostor"),
        (Impostor(int), "an impostor"),
        (Impostor(float), "an impostor"),
        (Impostor(bytes), "an impostor"),
        (Impostor(dict), "an impostor"),
        (Impostor(list), "an impostor"),
        (Classless(), "classless"),
        (Array(), "[1 2]"),
        ([Unprintable(), Array()], ["<Unprintable>", "[1 2]"]),
    ],
    ids=type_names,
)
def test_a_value_of_each_type(given_value: object, expected: object) -> None:
    result = decoded.value(encoder.any_value(given_value))
    assert result == expected
    assert type(result) is type(expected)


def test_a_key_that_cannot_be_text_is_named_by_its_type() -> None:
    assert decoded.value(encoder.any_value({Unprintable(): 1, 2: 3})) == {
        "<Unprintable>": 1,
        "2": 3,
    }


def test_nan_stays_a_double() -> None:
    result = decoded.value(encoder.any_value(math.nan))
    assert isinstance(result, float)
    assert math.isnan(result)


def test_an_integer_too_long_for_decimal_conversion_is_hexadecimal_text() -> None:
    number = 10**5000
    assert decoded.value(encoder.any_value(number)) == hex(number)
    assert decoded.value(encoder.any_value(-number, limit=8)) == hex(-number)[:8]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_lone_surrogates_become_question_marks(text: str) -> None:
    expected = "".join("?" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert decoded.value(encoder.any_value(text)) == expected
    assert decoded.value(encoder.any_value({text: [text]})) == {expected: [expected]}


def test_the_length_limit_counts_characters_of_text_and_bytes_of_binary_data() -> None:
    nested = {"key longer than the limit": ["ééééé", b"abcde", 12345, (Text("abcdef"),)]}
    assert decoded.value(encoder.any_value(nested, limit=3)) == {
        "key longer than the limit": ["ééé", b"abc", 12345, ["abc"]]
    }
    assert decoded.value(encoder.any_value("abc", limit=0)) == ""


def test_a_released_buffer_is_named_not_raised() -> None:
    view = memoryview(b"abc")
    view.release()
    assert str(decoded.value(encoder.any_value(view))).startswith("<released memory")


def nested_list(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_of_a_thousand_levels_ends_in_an_ellipsis() -> None:
    value, depth = decoded.value(encoder.any_value(nested_list(1000))), 0
    while isinstance(value, list):
        (value,), depth = value, depth + 1
    assert value == "..."
    assert depth == 24


def test_the_deepest_nesting_is_within_what_parsers_take() -> None:
    # Mappings cost the most levels of messages; an event's attribute lies deepest in a request.
    value: object = "bottom"
    for _ in range(24):
        value = {"k": value}
    record = Span("s", 1, bytes(16), bytes(8), 1, {})
    record.events.append(Event("e", 1, {"deep": value}))
    body = encoder.item(record_encoder.span(record, records.Limits()))
    request = decoded.exported(b"", b"", body)
    event = request.resource_spans[0].scope_spans[0].spans[0].events[0]
    assert decoded.attributes(event.attributes) == {"deep": value}


def test_cycles_end_in_an_ellipsis() -> None:
    cycle: list[object] = [1]
    cycle.append(cycle)
    loop: dict[str, object] = {"cycle": cycle}
    loop["self"] = loop
    cycle.append(loop)
    assert decoded.value(encoder.any_value(cycle)) == [
        1,
        "...",
        {"cycle": "...", "self": "..."},
    ]


def test_an_object_that_occurs_twice_is_no_cycle() -> None:
    shared = [1]
    assert decoded.value(encoder.any_value([shared, shared])) == [[1], [1]]


def test_a_small_structure_that_unfolds_without_end_is_cut() -> None:
    value: object = ["leaf" * 100]
    for _ in range(22):  # 4 million leaves
        value = [value, value]
    encoded = encoder.any_value(value)
    assert 2_000_000 < len(encoded) < 4_000_000
    assert isinstance(decoded.value(encoded), list)


def test_many_small_elements_are_cut() -> None:
    result = decoded.value(encoder.any_value([0] * 1_000_000))
    assert isinstance(result, list)
    assert 90_000 < len(result) < 100_000


def test_a_container_that_changes_while_it_is_read_is_text() -> None:
    class Growing(dict[str, object]):
        def items(self) -> Any:
            for number in range(3):
                yield str(number), nested_list(2)
            raise RuntimeError("dictionary changed size during iteration")

    # What follows is complete: the failure left nothing behind in the walk's state.
    deep = nested_list(21)
    assert decoded.value(encoder.any_value([Growing(), deep])) == ["{}", deep]


@given(JSON)
def test_any_json_value_comes_back(value: object) -> None:
    assert decoded.value(encoder.any_value(value)) == value


@given(INT64 | st.text() | st.binary() | st.lists(INT64))
def test_the_bytes_are_those_of_the_official_messages(value: object) -> None:
    encoded = encoder.any_value(value)
    assert encoded == AnyValue.FromString(encoded).SerializeToString()


@given(JSON, st.integers(0, 5))
def test_a_limit_never_fails(value: object, limit: int) -> None:
    assert all(len(text) <= limit for text in texts(decoded.value(encoder.any_value(value, limit))))


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else ():
        yield from texts(inner)
    for inner in value if isinstance(value, list) else ():
        yield from texts(inner)


@given(st.floats(width=64))
def test_doubles_are_exact(value: float) -> None:
    result = decoded.value(encoder.any_value(value))
    assert struct.pack("<d", result) == struct.pack("<d", value)
