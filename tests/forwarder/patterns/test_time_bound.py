"""Patterns that take too long, of many shapes, and signals that come at the wrong time."""

from __future__ import annotations

import signal
import time

import pytest

from serverless_instrument.forwarder.patterns.patterns import EXCLUDE, INCLUDE, MASK, Patterns
from serverless_instrument.forwarder.patterns.time_bound import TimeBound

# (pattern, text) that CPython takes minutes for, each in another way: ``re`` looks for signals in
# the first ones itself, and the others are of many short attempts.
SLOW = [
    (r"(\w+[.-]?)+@(\w+[.-]?)+", "a" * 60),
    (r"(a|b|ab)*c", "ab" * 40),
    (r"(a+)+$", "a" * 40 + "!"),
    (r"(?:x+x+)+y", "x" * 60),
    (r"^(\s*\w*)*$", "word " * 20 + "!"),
    (r".*x.*y", "x" * 300_000),
    (r"a.*?b.*?c", "ab" * 200_000),
    (r"\s+$", " " * 600_000 + "x"),
    (r"a*b", "a" * 600_000),
    (r"(?i)[^,]*;", "a" * 600_000),
    (r"(?x) \d+ x  # a comment", "1" * 600_000),
    (r"[^,]*[^;]*:", "a" * 3_000),
    (r"[a-z]{0,400}!", "a" * 3_000_000),
    (r"[a-z]{0,200}[a-z]{0,200}!", "a" * 3_000_000),
]
# A timer is as fine as the kernel's tick; the machine may be slow.
CPU_LIMIT_S = 0.4


@pytest.mark.parametrize(("pattern", "text"), SLOW)
def test_a_value_that_takes_too_long_is_replaced_whole(pattern: str, text: str) -> None:
    patterns, said = patterns_of(**{MASK: pattern})
    began_s = time.thread_time()
    assert patterns.mask(text) == "***"
    assert time.thread_time() - began_s < CPU_LIMIT_S
    (warning,) = said
    assert warning.startswith(f'{MASK}: pattern "{pattern}" takes more than 20 ms for a value')
    assert patterns.mask("??") == "??"


@pytest.mark.parametrize("name", [INCLUDE, EXCLUDE])
@pytest.mark.parametrize(("pattern", "text"), SLOW[:3] + SLOW[7:9])
def test_a_line_that_cannot_be_judged_does_not_leave(name: str, pattern: str, text: str) -> None:
    patterns, said = patterns_of(**{name: pattern})
    for _ in range(2):
        assert not patterns.wanted(text, 9)
    assert len(said) == 1
    assert "the line does not leave" in said[0]


def test_a_line_that_an_earlier_pattern_includes_leaves_all_the_same() -> None:
    slow, text = SLOW[0]
    assert patterns_of(**{INCLUDE: f"^aa;;{slow}"})[0].wanted(text, 9)
    assert not patterns_of(**{INCLUDE: f"{slow};;^aa"})[0].wanted(text, 9)


def test_after_its_third_overrun_a_pattern_is_not_matched_again() -> None:
    pattern, text = SLOW[0]
    patterns, said = patterns_of(**{MASK: pattern})
    assert patterns.mask("known") == "known"
    for number in range(3):
        patterns.start_invocation()
        assert patterns.mask(text + str(number)) == "***"
    patterns.start_invocation()
    began_s = time.thread_time()
    for number in range(1000):
        assert patterns.mask(f"{number}") == "***"
    assert patterns.mask("known") == "***"
    assert time.thread_time() - began_s < 0.1
    assert len(said) == 1


def test_an_invocation_has_its_time_and_the_next_has_its_own() -> None:
    patterns, said = patterns_of(**{MASK: "(a+)+$;;(b+)+$"})
    for text in ("a" * 40 + "!", "b" * 40 + "!", "a" * 41 + "!"):
        assert patterns.mask(text) == "***"
    assert patterns.mask("not seen before") == "***"
    patterns.start_invocation()
    assert patterns.mask("not seen before") == "not seen before"
    assert len(said) == 2


def test_many_values_of_a_simple_pattern_have_time_enough() -> None:
    patterns, said = patterns_of(**{MASK: r"\d{4}-?\d{4}-?\d{4}-?\d{4}"})
    for number in range(10_000):
        assert patterns.mask(f"line {number}") == f"line {number}"
    assert said == []


def test_time_that_is_used_up_comes_back_with_the_next_invocation() -> None:
    bound = TimeBound()
    for _ in range(4):
        bound.start_value()
        bound.run(burn, "")
    assert bound.is_used_up
    bound.start_value()
    assert bound.run(len, "abc") is None
    bound.start_invocation()
    assert bound.run(len, "abc") == 3


def test_a_signal_that_comes_after_the_match_does_nothing() -> None:
    bound = TimeBound()
    bound.start_value()
    assert bound.run(len, "abc") == 3
    signal.raise_signal(signal.SIGVTALRM)
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0.0


def test_a_signal_that_comes_too_early_lets_the_match_go_on() -> None:
    """The timer counts what other threads compute, the bound what this one does."""
    bound = TimeBound()
    bound.start_value()

    def interrupted(text: str) -> int:
        signal.raise_signal(signal.SIGVTALRM)
        return len(text)

    assert bound.run(interrupted, "abc") == 3


def burn(_: str) -> int:
    while True:
        pass


def patterns_of(**environ: str) -> tuple[Patterns, list[str]]:
    """(patterns, what they say: each subject once)."""
    patterns, said = Patterns(environ), list[str]()
    assert patterns.warnings == []
    subjects: set[str] = set()

    def report(subject: str, text: str) -> None:
        if subject not in subjects:
            subjects.add(subject)
            said.append(text)

    patterns.report = report
    return patterns, said
