"""The bench beside the others: what is run, what is computed, and a real trial of ours."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import benchmark
import pytest
from benchmark.rivals import (
    backends,
    between,
    contenders,
    figures,
    packages,
    plan,
    report,
    trial,
)
from benchmark.rivals.contenders import BARE, CONTENDERS, OURS, named
from benchmark.sandbox import cpu_share, process_cost
from benchmark.sandbox.lambda_api import InvocationError

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = Path(benchmark.__file__).with_name("functions")
LAUNCH = Path(contenders.__file__).with_name("launch")


def of(**changes: float) -> trial.Trial:
    values = dict.fromkeys(trial.Trial._fields, 1.0) | changes
    lists = {"calls_ms": (1.0, 2.0, 30.0), "tail_ms": (1.0, 1.0, 1.0)}
    return trial.Trial(**{**values, **lists})  # type: ignore[arg-type]  # counts as floats will do


def test_every_function_of_every_contender_exists() -> None:
    for contender in CONTENDERS:
        for function in contenders.FUNCTIONS:
            source = contenders.source(contender, function)
            assert not source or (FUNCTIONS / f"{source}.py").is_file(), source


def test_every_contender_has_pinned_packages_and_a_launcher() -> None:
    for contender in CONTENDERS:
        if contender.packages:
            assert packages.version(contender.packages)
            assert (LAUNCH / contender.wrapper).is_file(), contender.wrapper
    for name, pins in packages.PINS.items():
        assert pins, name
        assert all("==" in pin for pin in pins), name


def test_a_round_meets_every_case_once_and_the_first_is_short() -> None:
    chosen = [named(BARE), named(OURS)]
    effort = plan.Effort(2, 1, 50, 5)
    steps = [step for number in range(3) for step in plan.steps(effort, chosen, number, ["hello"])]
    assert [(step.number, step.case.title, step.contender.name) for step in steps] == [
        (number, title, name)
        for number, titles in (
            (0, ["hello", "hello, without pyc"]),
            (1, ["hello", "hello, without pyc", "hello, 128 MB"]),
            (2, ["hello", "hello, without pyc"]),
        )
        for title in titles
        for name in (BARE, OURS)
    ]
    assert [step.calls for step in steps if step.contender.name == OURS] == [
        1,
        1,
        50,
        50,
        5,
        50,
        50,
    ]


def test_who_has_no_api_for_spans_is_left_out_there() -> None:
    assert plan.steps(plan.QUICK, [named("lumigo")], 1, ["spans"]) == []


def test_what_is_left_takes_as_long_as_it_took_and_as_the_mean_before() -> None:
    bare, ours = plan.steps(plan.QUICK, [named(BARE), named(OURS)], 0, ["spans"])
    pace = plan.Pace()
    assert pace.expected_s([bare, ours]) == 0
    pace.note(bare, 2.0)
    assert pace.expected_s([bare, ours, ours]) == 6.0
    pace.note(ours, 3.0)
    pace.note(bare, 1.0)
    assert pace.expected_s([bare, ours, ours]) == 7.0


def test_a_part_of_a_file_is_replaced_and_nothing_else() -> None:
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    once = between.replaced(text, "x", "new\n")
    assert once == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"
    assert between.replaced(once, "x", "new\n") == once


@pytest.mark.parametrize(
    "text",
    ["", "<!-- x -->\n", "<!-- /x -->\n<!-- x -->\n", "<!-- x -->\n<!-- /x -->\n<!-- /x -->\n"],
)
def test_a_file_without_its_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it needs the lines <!-- x --> and <!-- /x -->"):
        between.replaced(text, "x", "new")


def test_the_readmes_table_has_a_row_for_each_and_says_who_is_missing() -> None:
    chosen = [named(BARE), named(OURS), named("sentry")]
    figure = figures.summary([of(init_cpu_ms=8.0)], [of(init_cpu_ms=3.0)])
    text = report.short(
        {"hello": {BARE: figure, OURS: figure}},
        chosen,
        {OURS: 1_600_000},
        {"sentry": "hello: no telemetry came"},
        {"Python": "3.11.7", "awslambdaric": "4.2.2", "processor": "a processor"},
    )
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(chosen)
    assert rows[3].startswith("| **serverless-instrument** | +5.00 ± 0.00 | n/a | n/a | ")
    assert rows[3].endswith("| 1.6 |")
    assert text.endswith("- Sentry: hello: no telemetry came\n")


def test_a_summary_is_over_bare() -> None:
    trials = [of(init_cpu_ms=cpu_ms) for cpu_ms in (10.0, 12.0, 50.0)]
    found = figures.summary(trials, [of(init_cpu_ms=8.0)])
    assert found["init_cpu"] == figures.Figure(12.0, 10.0, 50.0, 4.0, 1.5)
    assert found["init_cpu_all"].median == 13.0
    assert found["call_p99"].median == 30.0
    assert found["billed"].median == 3.0


@pytest.mark.parametrize(
    ("part", "expected"), [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_a_quantile_is_one_of_the_values(part: float, expected: float) -> None:
    assert figures.quantile([4.0, 1.0, 3.0, 2.0], part) == expected


def test_of_no_values_there_is_no_quantile() -> None:
    with pytest.raises(ValueError, match="no values"):
        figures.quantile([], 0.5)


def test_the_best_is_somebody_else() -> None:
    added = {BARE: 0.0, OURS: 1.0, "adot": 3.0, "sentry": 2.0}
    assert figures.best(added, [BARE, OURS]) == "sentry"
    assert figures.best({OURS: 1.0}, [BARE, OURS]) == ""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[trial.Place]:
    scratch = tmp_path_factory.mktemp("rivals")
    with backends.sink(scratch) as sink:
        yield trial.Place(scratch, sys.executable, sink, "")


@pytest.mark.integration
def test_a_trial_of_the_bare_runtime_and_one_of_ours(
    place: trial.Place, opt: Path, tmp_path: Path
) -> None:
    bare = trial.run(place, named(BARE), tmp_path, "hello", 3)
    ours = trial.run(place, named(OURS), opt, "hello", 3)
    assert (bare.telemetry, bare.extension_memory_kib) == (0, 0)
    assert ours.telemetry > 0
    assert ours.init_cpu_ms > 0
    assert ours.extension_init_cpu_ms > 0
    assert len(ours.calls_ms) == len(ours.tail_ms) == 3
    assert min(ours.calls_ms) > 0
    assert ours.memory_kib > ours.extension_memory_kib > 1024


@pytest.mark.integration
def test_a_trial_with_little_processor_takes_longer_than_its_cpu(
    place: trial.Place, tmp_path: Path
) -> None:
    slow = trial.run(place, named(BARE), tmp_path, "hello", 1, share=0.2)
    assert slow.init_wall_ms > 2 * slow.init_cpu_ms


@pytest.mark.integration
def test_a_function_that_fails_is_an_error_of_its_own(place: trial.Place, tmp_path: Path) -> None:
    broken = named(BARE)._replace(environ={"_HANDLER": "app.nothing"})
    with pytest.raises(InvocationError, match="HandlerNotFound"):
        trial.run(place, broken, tmp_path, "hello", 1)


@pytest.mark.integration
def test_stop_and_go_holds_a_process_to_its_share() -> None:
    command = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            with cpu_share.stopped_and_continued(0.2) as hold:
                hold(process.pid)
                before_ms, begin_s = process_cost.cpu_ms(process.pid), time.monotonic()
                time.sleep(1)
                used_ms = process_cost.cpu_ms(process.pid) - before_ms
                assert 0 < used_ms < 600 * (time.monotonic() - begin_s)
        finally:
            process.kill()
