"""The rules by which counts and module sets are judged."""

from __future__ import annotations

from typing import Any

import pytest
from benchmark.starts import verdict
from benchmark.starts.counts import Counted
from benchmark.starts.modules import Modules

BUILD = "CPython 3.11.7 x86_64 GCC 12.2.0"
RECORDED: dict[str, Any] = {
    BUILD: {"bare_init_hello": 100_000, "instructions": {"init_hello": 10_000}}
}


def stick(build: str = BUILD, bare: int = 100_000) -> verdict.Yardstick:
    found = verdict.yardstick(RECORDED, build, bare)
    assert found is not None
    return found


@pytest.mark.parametrize("count", [9_701, 10_000, 10_299])
def test_within_three_percent_is_fine(count: int) -> None:
    assert verdict.count_problems(stick(), {"init_hello": count}) == []


def test_growth_is_a_problem() -> None:
    (problem,) = verdict.count_problems(stick(), {"init_hello": 10_301})
    assert problem == (
        "init_hello: 10,301 instructions where the budget is 10,000 (+3.0%, at most 3%; "
        "recorded on this build): make it cheaper, or raise the budget for all to see"
    )


def test_a_gain_asks_for_a_lower_budget() -> None:
    (problem,) = verdict.count_problems(stick(), {"init_hello": 9_000})
    assert "lower the budget" in problem


def test_what_has_no_budget_says_so() -> None:
    (problem,) = verdict.count_problems(stick(), {"log_line": 1})
    assert problem.startswith("log_line: no budget")


def test_another_build_of_the_version_is_scaled_by_the_bare_runtime() -> None:
    other = stick("CPython 3.11.9 aarch64 Clang 18", bare=120_000)
    assert other.tolerance == verdict.FOREIGN_TOLERANCE
    assert verdict.count_problems(other, {"init_hello": 13_000}) == []
    assert len(verdict.count_problems(other, {"init_hello": 13_300})) == 1


@pytest.mark.parametrize("build", ["CPython 3.12.1 x86_64 GCC 12.2.0", "PyPy 3.11.7 x86_64 GCC"])
def test_a_version_that_nobody_recorded_has_no_yardstick(build: str) -> None:
    assert verdict.yardstick(RECORDED, build, 1) is None


def test_modules_new_and_gone_are_named() -> None:
    problems = verdict.module_problems(["a", "b"], ["b", "c", "d"], "init_hello")
    assert problems == [
        "init_hello loads more than recorded: c, d",
        "init_hello no longer loads a: scripts/bench budgets --record",
    ]
    assert verdict.module_problems(["a"], ["a"], "init_hello") == []


def modules(*names: str) -> Modules:
    return Modules(frozenset(), frozenset(names))


def test_a_start_is_held_to_our_list_and_to_the_others_of_its_build() -> None:
    recorded = {"modules": {"init_hello": ["serverless_instrument.wire"]}}
    entry = {"other_modules": {"init_hello": ["binascii"]}}
    found = modules("serverless_instrument.wire", "binascii")
    assert verdict.start_problems(recorded, entry, "init_hello", found) == []
    (problem,) = verdict.start_problems(recorded, entry, "init_hello", modules("binascii"))
    assert problem.startswith("init_hello no longer loads serverless_instrument.wire")


def test_a_record_replaces_what_was_measured_and_keeps_the_rest() -> None:
    before = {
        "limits": {"forwarder_peak_mib": 14},
        "modules": {"init_boto": ["serverless_instrument"]},
        "builds": {BUILD: {**RECORDED[BUILD], "other_modules": {"init_boto": ["gc"]}}},
    }
    counted = {"init_hello": Counted(90_000, 9_000), "span": Counted(0, 100)}
    loaded = {"init_hello": modules("serverless_instrument.wire", "binascii", "_struct")}
    after = verdict.with_record(before, BUILD, counted, loaded)
    assert after == {
        "limits": {"forwarder_peak_mib": 14},
        "modules": {
            "init_boto": ["serverless_instrument"],
            "init_hello": ["serverless_instrument.wire"],
        },
        "builds": {
            BUILD: {
                "bare_init_hello": 90_000,
                "instructions": {"init_hello": 9_000, "span": 100},
                "other_modules": {"init_boto": ["gc"], "init_hello": ["_struct", "binascii"]},
            }
        },
    }
