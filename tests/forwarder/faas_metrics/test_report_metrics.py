"""What ``platform.report`` and its like become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.faas_metrics.cost import Prices
from serverless_instrument.forwarder.faas_metrics.enhanced_record import EnhancedRecord
from serverless_instrument.forwarder.faas_metrics.report_metrics import ReportMetrics
from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event
from tests.forwarder.recorded import Recorded

DONE: dict[str, object] = {
    "requestId": "r1",
    "metrics": {"durationMs": 120.5, "producedBytes": 17},
    "spans": [
        {"name": "responseLatency", "durationMs": 100},
        {"name": "responseDuration", "durationMs": 0},
        {"name": "runtimeOverhead", "durationMs": 3},
    ],
}
REPORT: dict[str, object] = {
    "requestId": "r1",
    "metrics": {
        "billedDurationMs": 131,
        "durationMs": 130.5,
        "maxMemoryUsedMB": 64,
        "memorySizeMB": 256,
    },
}
MIB = 1024 * 1024


class Told(Recorded):
    """Platform events, and what has been recorded of them."""

    def __init__(self) -> None:
        super().__init__()
        self.events = Dispatch()
        ReportMetrics(EnhancedRecord(self), Prices({}, "x86_64")).subscribe(self.events)
        self.now_ns = 9

    def say(self, kind: str, record: dict[str, object]) -> None:
        self.now_ns += 1
        self.events.publish(Event(f"platform.{kind}", self.now_ns, record))


def killed(used_mb: int, **more: object) -> dict[str, object]:
    metrics: object = {"maxMemoryUsedMB": used_mb, "memorySizeMB": 256}
    record = {"requestId": "r1", "status": "error", "errorType": "Runtime.ExitError"}
    return {**record, "metrics": metrics, **more}


def test_an_invocation() -> None:
    told = Told()
    told.say("runtimeDone", DONE)
    told.say("report", REPORT)
    assert told.histograms == {
        "runtime_duration": ("s", [0.1205], "r1"),
        "produced_bytes": ("By", [17], "r1"),
        "response_latency": ("s", [0.1], "r1"),
        "response_duration": ("s", [0.0], "r1"),
        "billed_duration": ("s", [0.131], "r1"),
        "post_runtime_duration": ("s", [0.01], "r1"),
        "memory.utilization": ("1", [0.25], "r1"),
    }
    assert told.gauges == {"memory.size": ("By", [256 * MIB])}
    assert told.counters == {
        "estimated_cost": ("{USD}", pytest.approx(0.131 / 4 * 0.0000166667 + 2e-7), "r1", ())
    }


def test_the_two_events_in_the_other_order() -> None:
    told = Told()
    told.say("report", REPORT)
    assert "post_runtime_duration" not in told.histograms
    told.say("runtimeDone", DONE)
    assert told.histograms["post_runtime_duration"] == ("s", [0.01], "r1")


def test_a_report_of_one_and_the_end_of_another_are_no_pair() -> None:
    told = Told()
    told.say("runtimeDone", DONE)
    told.say("report", {**REPORT, "requestId": "r2"})
    assert "post_runtime_duration" not in told.histograms


def test_events_of_no_request_are_no_pair() -> None:
    told = Told()
    told.say("runtimeDone", {"metrics": {"durationMs": 5}})
    told.say("report", {"metrics": {"durationMs": 9}})
    assert set(told.histograms) == {"runtime_duration"}


def test_a_size_that_does_not_change_is_told_once_a_minute() -> None:
    told = Told()
    for seconds in (1, 2, 60, 61, 62, 130):
        told.now_ns = seconds * 10**9
        told.say("report", REPORT)
    assert told.gauges["memory.size"] == ("By", [256 * MIB] * 3)
    told.say("report", {**REPORT, "metrics": {"memorySizeMB": 512}})
    assert told.gauges["memory.size"][1][3:] == [512 * MIB]


def test_managed_instances_have_no_runtime_done() -> None:
    told = Told()
    spans = DONE["spans"]
    told.say("report", {"requestId": "r1", "metrics": {"durationMs": 130}, "spans": spans})
    assert set(told.histograms) == {"response_latency", "response_duration"}


def test_a_restore() -> None:
    told = Told()
    told.say("restoreReport", {"status": "success", "metrics": {"durationMs": 250}})
    assert told.histograms == {"restore_duration": ("s", [0.25], "")}


@pytest.mark.parametrize(
    ("record", "out_of_memory"),
    [
        (killed(256), True),
        (killed(257), True),
        (killed(255), False),
        (killed(256, errorType=""), True),
        (killed(12, errorType="Runtime.OutOfMemory"), True),
        (killed(256, status="success"), False),
        (killed(256, status="timeout"), False),
        (killed(256, errorType="Runtime.ImportError"), False),
        (killed(256, metrics={"maxMemoryUsedMB": 256}), False),
        (killed(256, metrics=None), False),
    ],
)
def test_out_of_memory(record: dict[str, object], out_of_memory: bool) -> None:
    told = Told()
    told.say("report", record)
    assert ("out_of_memory" in told.counters) is out_of_memory


def test_out_of_memory_is_counted_once_for_an_invocation() -> None:
    told = Told()
    error: dict[str, object] = {
        "requestId": "r1",
        "status": "error",
        "errorType": "Runtime.OutOfMemory",
    }
    told.say("runtimeDone", error)
    told.say("report", killed(256))
    assert told.counters["out_of_memory"] == ("{invocation}", 1, "r1", ())
    told.say("report", killed(256, requestId="r2"))
    assert told.counters["out_of_memory"] == ("{invocation}", 2, "r2", ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metrics", "spans", "name", "durationMs", "memorySizeMB", "billedDurationMs"]
            ),
            inner,
        )
    ),
)


@given(
    st.sampled_from(["runtimeDone", "report", "restoreReport"]),
    st.dictionaries(st.sampled_from(["metrics", "spans", "requestId", "status"]), JSON),
)
def test_records_of_any_shape_are_survived(kind: str, record: dict[str, object]) -> None:
    told = Told()
    told.say(kind, record)
    for _, values, _ in told.histograms.values():
        assert all(value >= 0 for value in values)
