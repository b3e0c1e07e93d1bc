"""Searches in steps find what a search in one finds."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serverless_instrument.forwarder.patterns.bounded_search import BoundedSearch

PATTERNS = [
    "secret",
    "secret=[a-z]+",
    r"(\w+)@(\w+)",
    r"\d{4}-?\d{4}",
    r"(?i)TOKEN: \S+",
    r"(?x) \d+  x  # digits",
    r"[a-z]+=?",
    r"^\w+",
    r"(?m)^\w+$",
    r"\bab\b",
    r"(?<=a)b+",
    r"a(?=b)",
    r"a|bb+|ccc",
    r"(?P<first>a)(?P=first)*",
    r"ab?c*",
    r"=\{",
    r"x{3}",
    r"(?s)a.*b",
]
_WORDS = "secret= ann@home 1234-5678 token: 12x ab abbb ={ xxx a b c = @ - _ 1"
_PIECES = _WORDS.split(" ")
_TEXTS = st.lists(st.sampled_from([*_PIECES, " ", "\n"]), max_size=30).map("".join)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(_TEXTS, st.sampled_from([0, 1, 7]))
@example("ann@home " * 900, 0)
def test_a_long_text_is_replaced_as_a_short_one(pattern: str, text: str, repeats: int) -> None:
    text = ("-" * 300 if repeats else "") + text * (1 + repeats)
    compiled = re.compile(pattern)
    search = BoundedSearch(compiled, "<>")
    assert search.replaced(text) == compiled.sub("<>", text)
    assert search.is_found(text) == (compiled.search(text) is not None)


def test_a_replacement_names_groups() -> None:
    search = BoundedSearch(re.compile(r"(\w+)@(?P<host>\w+)"), r"\1@\g<host>!")
    text = "x " * 400 + "ann@home"
    assert search.replaced(text) == text + "!"


def test_a_match_that_is_long_is_found_whole() -> None:
    text = "x" * 5_000 + "BEGIN" + "k" * 90_000 + "END" + "y" * 5_000
    for pattern in ("BEGIN.*?END", "(?:BEGIN).*?END", "BEGIN[a-z]*END"):
        assert BoundedSearch(re.compile(pattern), "***").replaced(text) == (
            "x" * 5_000 + "***" + "y" * 5_000
        )
