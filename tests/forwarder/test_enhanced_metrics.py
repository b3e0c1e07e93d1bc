"""What ``platform.report`` and its like become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder import enhanced_metrics
from serverless_instrument.forwarder.enhanced_metrics import EnhancedMetrics
from serverless_instrument.forwarder.platform_events import Dispatch, Event

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


class Told:
    """Measurements by name."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, float, str]] = {}
        self.events = Dispatch()
        EnhancedMetrics(self._measure).connect(self.events)

    def _measure(self, name: str, unit: str, value: float, request_id: str, _: int) -> None:
        self.found[name.removeprefix("aws.lambda.")] = (unit, value, request_id)

    def say(self, kind: str, record: dict[str, object]) -> None:
        self.events.publish(Event(f"platform.{kind}", 9, record))


def test_an_invocation() -> None:
    told = Told()
    told.say("runtimeDone", DONE)
    told.say("report", REPORT)
    assert told.found == {
        "runtime_duration": ("s", 0.1205, "r1"),
        "produced_bytes": ("By", 17, "r1"),
        "response_latency": ("s", 0.1, "r1"),
        "response_duration": ("s", 0.0, "r1"),
        "billed_duration": ("s", 0.131, "r1"),
        "post_runtime_duration": ("s", 0.01, "r1"),
        "memory.size": ("By", 256 * 1024 * 1024, "r1"),
        "memory.utilization": ("1", 0.25, "r1"),
    }


def test_a_report_without_its_runtime_done_says_nothing_of_what_came_after() -> None:
    told = Told()
    told.say("report", REPORT)
    assert "post_runtime_duration" not in told.found


def test_a_restore() -> None:
    told = Told()
    told.say("restoreReport", {"status": "success", "metrics": {"durationMs": 250}})
    assert told.found == {"restore_duration": ("s", 0.25, "")}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metrics", "spans", "name", "durationMs", "memorySizeMB"]), inner
        )
    ),
)


@given(
    st.sampled_from(["runtimeDone", "report", "restoreReport"]),
    st.dictionaries(st.sampled_from(["metrics", "spans", "requestId"]), JSON),
)
def test_records_of_any_shape_are_survived(kind: str, record: dict[str, object]) -> None:
    told = Told()
    told.say(kind, record)
    assert all(value >= 0 for _, value, _ in told.found.values())


@pytest.mark.parametrize(
    ("value", "wanted"), [("", True), ("true", True), ("false", False), (" OFF ", False)]
)
def test_one_setting_switches_them_off(value: str, wanted: bool) -> None:
    assert enhanced_metrics.wanted({enhanced_metrics.SETTING: value}) is wanted
