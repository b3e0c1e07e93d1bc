"""Arguments of `serverless_instrument.metric`: their plain values, and what is refused."""

from __future__ import annotations

import math
from collections import UserDict
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.metrics import metric_arguments
from serverless_instrument.wrapper.metrics.metric_arguments import RefusedError


class Names(str, Enum):
    ORDERS = "orders"


class Sizes(IntEnum):
    SMALL = 3


class Ratio(float):
    pass


class Indexed:
    """An integer like numpy's."""

    def __index__(self) -> int:
        return 7


def test_names() -> None:
    assert metric_arguments.name("orders") == "orders"
    assert (metric_arguments.name(Names.ORDERS), type(metric_arguments.name(Names.ORDERS))) == (
        "orders",
        str,
    )
    for refused in ("", "x" * 256, None, 5, b"orders", ["orders"]):
        with pytest.raises(RefusedError, match="1 to 255 characters"):
            metric_arguments.name(refused)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [(3, 3), (-0.5, -0.5), (2**70, 2**70), (Sizes.SMALL, 3), (Ratio(0.5), 0.5), (Indexed(), 7)],
)
def test_numbers(given_value: object, expected: float) -> None:
    found = metric_arguments.number(given_value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-1e301, "-1e\\+301"),
        (True, "True"),
        (None, "None"),
        ("3" * 200, "'3{59} "),
        pytest.param(10**5000, "of too many digits", id="long"),
        (Decimal("1.5"), "of type Decimal"),
        ([], "of type list"),
    ],
)
def test_numbers_that_are_none(value: object, shown: str) -> None:
    with pytest.raises(RefusedError, match=f"^value {shown} ?is left out"):
        metric_arguments.number(value)


def test_units() -> None:
    assert metric_arguments.unit("ms") == "ms"
    assert metric_arguments.unit("x" * 100) == "x" * 63
    assert {metric_arguments.unit(none) for none in (None, 5, b"ms")} == {""}


def test_kinds() -> None:
    assert metric_arguments.kind("gauge") == "gauge"
    for refused in ("", "meter", None, ["gauge"]):
        with pytest.raises(RefusedError, match="use histogram, counter or gauge"):
            metric_arguments.kind(refused)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (None, None),
        ({}, {}),
        ({"a": 1, "b": "x", "c": True, "d": 0.5}, {"a": 1, "b": "x", "c": True, "d": 0.5}),
        (UserDict(a=1), {"a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({"a": None, 5: 1, "": 1, "b": 2}, {"b": 2}),
        ({"a": [1, "x"], "b": (True,)}, {"a": (1, "x"), "b": (True,)}),
        ({"a": [1, [2]]}, {"a": "[1, [2]]"}),
        ({"a": {"b": 1}}, {"a": "{'b': 1}"}),
        ({"a": b"x"}, {"a": b"x"}),
        (
            {Names.ORDERS: Names.ORDERS, "n": Sizes.SMALL, "r": Ratio(0.5)},
            {"orders": "orders", "n": 3, "r": 0.5},
        ),
        ({"a": Decimal("1.50")}, {"a": "1.50"}),
    ],
)
def test_attributes(given_value: object, expected: dict[str, object] | None) -> None:
    found = metric_arguments.attributes(given_value)
    assert found == expected
    types = [type(value) for value in (expected or {}).values()]
    assert [type(value) for value in (found or {}).values()] == types


@pytest.mark.parametrize("value", [[], "text", 5, [("a", 1)]])
def test_attributes_that_are_no_mapping(value: object) -> None:
    with pytest.raises(RefusedError, match="give a dict"):
        metric_arguments.attributes(value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.text() | st.integers() | st.none(), ANYTHING, max_size=4))
def test_whatever_they_are_they_can_be_told_apart(values: dict[object, object]) -> None:
    found = metric_arguments.attributes(values)
    assert found is not None
    assert {type(key) for key in found} <= {str}
    hash(tuple(found.items()))


@given(ANYTHING)
def test_all_else_is_taken_or_refused_shortly(value: object) -> None:
    assert type(metric_arguments.unit(value)) is str
    for check in (metric_arguments.name, metric_arguments.number, metric_arguments.kind):
        said = ""
        try:
            assert type(check(value)) in (str, int, float)
        except RefusedError as error:
            said = str(error)
        assert len(said) < 200
