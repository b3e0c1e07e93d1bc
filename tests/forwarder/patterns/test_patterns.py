"""Rules for log lines, as both processes read them from the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.patterns.patterns import (
    EXCLUDE,
    INCLUDE,
    LEVEL,
    LOGS,
    MASK,
    Patterns,
)


def test_without_variables_everything_leaves_as_it_is() -> None:
    rules = Patterns({})
    assert rules.enabled
    assert rules.warnings == []
    assert not rules.masks
    assert rules.wanted("anything", 1)
    assert rules.mask("secret") == "secret"


@pytest.mark.parametrize(
    ("value", "enabled", "warned"),
    [("on", True, 0), ("OFF ", False, 0), ("", True, 0), ("no\x1b", True, 1)],
)
def test_switch(value: str, enabled: bool, warned: int) -> None:
    rules = Patterns({LOGS: value})
    assert (rules.enabled, len(rules.warnings)) == (enabled, warned)
    assert all(warning.isprintable() for warning in rules.warnings)


@pytest.mark.parametrize(
    ("level", "severity", "wanted"),
    [
        ("info", 9, True),
        ("INFO", 5, False),
        ("warn", 0, False),
        ("info", 0, True),
        ("warning", 13, True),
        ("fatal", 20, False),
        ("trace", 1, True),
    ],
)
def test_minimum_level(level: str, severity: int, wanted: bool) -> None:
    assert Patterns({LEVEL: level}).wanted("x", severity) is wanted


def test_a_level_that_is_none_is_named_and_everything_leaves() -> None:
    rules = Patterns({LEVEL: "loud"})
    (warning,) = rules.warnings
    assert 'SERVERLESS_INSTRUMENT_LOGS_LEVEL="loud"' in warning
    assert rules.wanted("x", 1)


@pytest.mark.parametrize(
    ("include", "exclude", "text", "wanted"),
    [
        ("", "health", "GET /health", False),
        ("", "health", "GET /cart", True),
        ("cart;;order", "", "an order", True),
        ("cart\norder", "", "health", False),
        ("GET", "health", "GET /health", False),
        ('["a;;b"]', "", "a;;b", True),
        ('["a;;b"]', "", "a", False),
        ("[0-9]+", "", "room 101", True),
        ("[1]", "", "1", True),
        (" ;; ", "", "x", True),
    ],
)
def test_include_and_exclude(include: str, exclude: str, text: str, wanted: bool) -> None:
    rules = Patterns({INCLUDE: include, EXCLUDE: exclude})
    assert rules.warnings == []
    assert rules.wanted(text, 0) is wanted


@pytest.mark.parametrize(
    ("masks", "text", "masked"),
    [
        (r"\d{4}", "card 1234", "card ***"),
        (r"password=\S+=>password=?", "password=abc x", "password=? x"),
        (r"(\w+)@\w+=>\1@hidden", "ann@example", "ann@hidden"),
        (r"a=>b;;b=>c", "a", "c"),
        ("secret=>", "a secret b", "a  b"),
        (r"(?i)secret", "SECRET", "***"),
        ('["a=>b", "c"]', "ac", "b***"),
    ],
)
def test_masks(masks: str, text: str, masked: str) -> None:
    rules = Patterns({MASK: masks})
    assert rules.warnings == []
    assert rules.masks
    assert rules.mask(text) == masked


@pytest.mark.parametrize("bad", ["(", "*", "a(b)=>\\2", "a=>\\g<name>", "[z-a]", "a{5,2}"])
def test_a_bad_pattern_is_named_and_skipped_alone(bad: str) -> None:
    rules = Patterns({MASK: f"secret;;{bad};;token"})
    (warning,) = rules.warnings
    assert warning.startswith(f'{MASK}: pattern "{bad.partition("=>")[0]}" is skipped: ')
    assert rules.mask("secret token") == "*** ***"


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_patterns_nothing_is_raised(patterns: str, text: str) -> None:
    rules = Patterns({MASK: patterns, INCLUDE: patterns, EXCLUDE: patterns, LEVEL: patterns})
    rules.wanted(text, 9)
    assert isinstance(rules.mask(text), str)
    assert all("\n" not in warning.partition(" is skipped: ")[0] for warning in rules.warnings)
