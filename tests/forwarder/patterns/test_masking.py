from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.patterns.masking import masked

SECRET = "s3cret"


def mask(text: str) -> str:
    return re.sub("s3cret|4111", "***", re.sub(r'("pin": )\d+', r"\1null", text))


_TEXTS = st.sampled_from([SECRET, f"a {SECRET} b", "4111", "other"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([4111, 7, 1.5, 4111.5]) | _TEXTS | st.just(b"4111"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_TEXTS, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.frozensets(_TEXTS)
    ),
    max_leaves=9,
)


@given(_VALUES)
def test_nothing_of_a_secret_is_left_in_a_value(value: object) -> None:
    shown = repr(masked(value, mask))
    assert SECRET not in shown
    assert "4111" not in shown


@given(st.recursive(st.integers(0, 99) | st.text("abc"), st.lists))
def test_what_has_no_secret_is_what_it_was(value: object) -> None:
    assert masked(value, mask) == value


def test_a_pattern_for_json_holds_for_structures() -> None:
    assert masked({"pin": 1234, "a": [1]}, mask) == {"pin": None, "a": [1]}


def test_a_replacement_that_breaks_the_json_leaves_text() -> None:
    assert masked({"n": 4111}, mask) == '{"n": ***}'


def test_what_holds_itself_comes_to_an_end() -> None:
    value: list[object] = [SECRET]
    value.append(value)
    assert SECRET not in repr(masked(value, mask))


def test_what_cannot_be_looked_into_is_hidden() -> None:
    class Failing:
        def __str__(self) -> str:
            raise ValueError

    assert masked(Failing(), mask) == "***"


def test_a_text_that_is_json_is_looked_at_in_its_parts() -> None:
    def whole_values(text: str) -> str:
        return re.sub(r"^4111$", "***", text)

    assert masked('{"pin": "4111", "n": 4111}', whole_values) == '{"pin": "***", "n": "***"}'
    assert masked('[ "x" ]', whole_values) == '[ "x" ]'


def test_a_pattern_for_json_without_blanks_holds_for_structures() -> None:
    def compact(text: str) -> str:
        return re.sub(r'"pin":\d+', '"pin":0', text)

    assert masked({"pin": 1234}, compact) == {"pin": 0}
