"""Enhanced metrics of frames, of what /proc shows, and of the environment's life."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from serverless_instrument import wire
from serverless_instrument.forwarder.faas_metrics import enhanced_metrics
from serverless_instrument.forwarder.faas_metrics.cost import Prices
from serverless_instrument.forwarder.faas_metrics.enhanced_metrics import EnhancedMetrics
from serverless_instrument.forwarder.faas_metrics.proc_sampler import Sample
from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event
from tests.forwarder.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = float("inf")


class Told(Recorded):
    """An environment whose runtime is process 7 and has 40 descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0
        self.looks: list[int] = []
        self.limited: list[int] = []
        prices = Prices({}, "x86_64")
        self.metrics = EnhancedMetrics(self, prices, self._sample, self._limits, self._clock)
        self.events = Dispatch()
        self.metrics.connect(self.events)

    def _sample(self, pid: int) -> Sample | None:
        self.looks.append(pid)
        found = Sample()
        found.descriptors, found.threads = 40, 3
        return found if pid == 7 else None

    def _limits(self, pid: int) -> Mapping[str, int]:
        self.limited.append(pid)
        return {"descriptors": 1024, "threads": 1000}

    def _clock(self) -> float:
        return self.now_s

    def say(self, kind: str, **record: object) -> None:
        self.events.publish(Event(f"platform.{kind}", 9, record))

    def run(self, request_id: str = "r1", facts: int = 0, failed_items: int = 0) -> None:
        self.metrics.began(request_id, 7, 3.0)
        self.metrics.ended(request_id, facts, failed_items, 5)


def test_a_look_while_it_runs() -> None:
    told = Told()
    told.metrics.began("r1", 7, 3.0)
    told.now_s = told.metrics.peaks.at_s
    told.metrics.look()
    told.metrics.ended("r1", 0, 0, 5)
    assert told.metrics.peaks.at_s == NEVER
    told.metrics.invocation(None, None, "r1", 1, 5)
    assert told.histograms == {
        "file_descriptors.used": ("{file_descriptor}", [40], "r1"),
        "threads.used": ("{thread}", [3], "r1"),
    }
    assert told.gauges == {
        "file_descriptors.max": ("{file_descriptor}", [1024]),
        "threads.max": ("{thread}", [1000]),
    }


def test_limits_are_read_once_for_a_process() -> None:
    told = Told()
    for number in range(3):
        told.run(f"r{number}")
    told.metrics.began("other", 8, 3.0)
    told.metrics.began("unseen", 0, 3.0)
    assert told.limited == [7, 8]


def test_the_usage_of_an_invocation_without_a_look() -> None:
    told = Told()
    told.run()
    before, after = Usage(), Usage()
    after.cpu_user_s = 0.5
    after.descriptors = 12
    after.tmp = os.statvfs_result((4096, 4096, 100, 40, 40, 0, 0, 0, 0, 255))
    told.metrics.invocation(before, after, "r1", 1, 5)
    assert told.histograms["cpu.total_time"] == ("s", [0.5], "r1")
    assert told.histograms["file_descriptors.used"] == ("{file_descriptor}", [12], "r1")
    assert told.gauges["tmp.max"] == ("By", [409600])
    assert told.looks == []


def test_a_runtime_that_dies_is_looked_at_no_longer() -> None:
    told = Told()
    told.metrics.began("r1", 7, 3.0)
    told.metrics.left("r1")
    assert told.metrics.peaks.at_s == NEVER


def test_memory_errors_and_failed_items() -> None:
    told = Told()
    told.run("r1", wire.FACT_FAILED | wire.FACT_OUT_OF_MEMORY)
    told.say("report", requestId="r1", status="error", errorType="Runtime.OutOfMemory")
    assert told.counters["out_of_memory"] == ("{invocation}", 1, "r1", ())
    # Tried again, with the same request id.
    told.run("r1", wire.FACT_FAILED | wire.FACT_OUT_OF_MEMORY)
    assert told.counters["out_of_memory"][1] == 2
    told.run("r2", failed_items=3)
    told.run("r3", failed_items=2)
    assert told.counters["batch_item_failures"] == ("{item}", 5, "r3", ())


def test_an_init_that_ran_out_of_memory_is_told_with_its_invocation() -> None:
    told = Told()
    told.metrics.init_failed("MemoryError")
    assert told.counters == {}
    told.say("runtimeDone", requestId="r1", status="error", errorType="MemoryError")
    told.say("report", requestId="r1", status="error", errorType="MemoryError")
    assert told.counters == {"out_of_memory": ("{invocation}", 1, "r1", ())}


def test_an_init_that_ran_out_of_memory_for_nobody_is_told_at_the_end() -> None:
    told = Told()
    told.metrics.greeted()
    told.metrics.init_failed("MemoryError")
    told.metrics.shut_down("", 5)
    assert told.counters == {"out_of_memory": ("{invocation}", 1, "", ())}


def test_an_end_counts_once_and_only_after_a_start() -> None:
    told = Told()
    told.run("r1", failed_items=2)
    told.metrics.ended("r1", wire.FACT_OUT_OF_MEMORY, 2, 6)
    told.metrics.ended("never began", wire.FACT_OUT_OF_MEMORY, 2, 6)
    assert told.counters == {"batch_item_failures": ("{item}", 2, "r1", ())}


def test_an_abundance_of_invocations_that_never_end() -> None:
    told = Told()
    for number in range(2000):
        told.metrics.began(f"r{number}", 7, 3.0)
    told.metrics.ended("r1999", 0, 1, 6)
    assert told.counters["batch_item_failures"][1] == 1
    told.metrics.look()
    assert told.looks == [7]


@pytest.mark.parametrize("how", ["greeted", "initReport"])
def test_an_init_that_nobody_used(how: str) -> None:
    told = Told()
    if how == "greeted":
        told.metrics.greeted()
    else:
        told.say("initReport", status="success", metrics={"durationMs": 80})
    told.metrics.shut_down("SPINDOWN", 5)
    reason = (("aws.lambda.shutdown.reason", "spindown"),)
    assert told.counters == {
        "shutdowns": ("{shutdown}", 1, "", reason),
        "unused_inits": ("{init}", 1, "", ()),
    }


@pytest.mark.parametrize(
    "happens",
    [
        lambda told: told.say("initStart"),
        lambda told: told.metrics.greeted() or told.run(),
        lambda told: told.metrics.greeted() or told.metrics.invoked(),
        lambda told: told.metrics.greeted() or told.say("start", requestId="r1"),
        lambda told: told.metrics.greeted() or told.say("report", requestId="r1"),
        lambda told: told.metrics.greeted() or told.metrics.init_failed("ValueError"),
        lambda told: told.metrics.greeted() or told.say("initReport", status="error"),
    ],
    ids=["no init", "START", "INVOKE", "platform.start", "report", "INIT_ERROR", "initReport"],
)
def test_an_init_that_was_used_or_failed(happens: object) -> None:
    told = Told()
    happens(told)  # type: ignore[operator] # one of those above
    told.metrics.shut_down("spindown", 5)
    assert "unused_inits" not in told.counters


@pytest.mark.parametrize("reason", ["Timeout", "FAILURE", "ReleaseFail"])
def test_a_shutdown_for_a_failure_wastes_no_init(reason: str) -> None:
    told = Told()
    told.metrics.greeted()
    told.metrics.shut_down(reason, 5)
    assert told.counters == {
        "shutdowns": (
            "{shutdown}",
            1,
            "",
            (("aws.lambda.shutdown.reason", reason.lower()),),
        )
    }


def test_an_end_without_a_shutdown_is_none() -> None:
    told = Told()
    told.run()
    told.metrics.shut_down("", 5)
    assert told.counters == {}


@pytest.mark.parametrize(
    ("value", "wanted", "warned"),
    [("", True, 0), ("true", True, 0), ("false", False, 0), (" OFF ", False, 0), ("nope", True, 1)],
)
def test_one_setting_switches_them_off(value: str, wanted: bool, warned: int) -> None:
    warnings: list[str] = []
    environ = {"SERVERLESS_INSTRUMENT_ENHANCED_METRICS": value}
    assert enhanced_metrics.wanted(environ, warnings) is wanted
    assert len(warnings) == warned
