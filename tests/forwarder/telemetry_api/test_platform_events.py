"""Posts of the Telemetry API: every event of the schema, and what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.telemetry_api.platform_events import (
    ANY,
    START,
    Dispatch,
    Event,
    count_of,
    parse,
    text_of,
)

TIME = "2026-08-20T12:00:00.123Z"
TIME_NS = 1_787_227_200_123_000_000


def post(*events: object) -> bytes:
    return json.dumps(events).encode()


def event(kind: str, record: object, time: object = TIME) -> dict[str, object]:
    return {"time": time, "type": kind, "record": record}


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("platform.initStart", {"initializationType": "on-demand", "phase": "init"}),
        ("platform.start", {"requestId": "a", "version": "$LATEST"}),
        ("platform.report", {"requestId": "a", "metrics": {"durationMs": 1.5}}),
        ("platform.logsDropped", {"droppedRecords": 3, "droppedBytes": 10, "reason": "slow"}),
        ("platform.notKnownYet", {"new": [1, None]}),
        ("function", "a line\n"),
        ("function", {"level": "INFO", "message": "json"}),
        ("extension", "another"),
    ],
)
def test_an_event(kind: str, record: object) -> None:
    (one,), defects = parse(post(event(kind, record)))
    assert defects == 0
    assert (one.kind, one.record, one.time_unix_ns) == (kind, record, TIME_NS)


@pytest.mark.parametrize(
    "element",
    [
        None,
        1,
        "function",
        [],
        {},
        {"type": "function"},
        {"type": 1, "record": "x"},
        {"type": "function", "record": 1},
        {"type": "platform.start", "record": "no object"},
        {"record": "x"},
    ],
)
def test_an_element_that_is_no_event_costs_no_other(element: object) -> None:
    events, defects = parse(post(element, event("function", "kept")))
    assert ([e.record for e in events], defects) == (["kept"], 1)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b'"x"', b"\xff", b"[1] 2", b"[" * 100_000])
def test_a_body_that_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|array|unterminated|Invalid|Expecting"):
        parse(body)


@given(st.binary(max_size=60))
def test_any_body_is_events_or_refused(body: bytes) -> None:
    try:
        events, _ = parse(body)
    except ValueError:
        return
    assert isinstance(events, list)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(st.lists(st.fixed_dictionaries({}, optional={"time": JSON, "type": JSON, "record": JSON})))
def test_whatever_an_event_holds_it_is_taken_or_counted(elements: list[object]) -> None:
    events, defects = parse(post(*elements))
    assert len(events) + defects == len(elements)


def test_what_a_record_says() -> None:
    record = {"requestId": "a", "n": 3, "negative": -3, "list": []}
    assert Event(START, 0, record).request_id == "a"
    assert Event("function", 0, "text").request_id == ""
    assert text_of(record, "n") == text_of(None, "n") == ""
    counts = [count_of(record, name) for name in ("n", "negative", "list", "none")]
    assert counts == [3, 0, 0, 0]


def test_events_go_to_those_who_asked_and_then_to_those_who_want_all() -> None:
    dispatch, heard = Dispatch(), list[str]()
    dispatch.add_handler(ANY, lambda e: heard.append(f"any {e.kind}"))
    dispatch.add_handler(START, lambda e: heard.append(f"one {e.request_id}"))
    dispatch.add_handler(START, lambda e: heard.append(f"two {e.request_id}"))
    dispatch.publish(Event(START, 0, {"requestId": "a"}))
    dispatch.publish(Event("platform.new", 0, {}))
    assert heard == ["one a", "two a", f"any {START}", "any platform.new"]


def test_what_there_is_once_is_handed_on_once() -> None:
    dispatch, heard = Dispatch(), list[str]()
    dispatch.add_handler(ANY, lambda e: heard.append(f"{e.kind} {e.request_id} {e.time_unix_ns}"))
    for kind in ("platform.report", "platform.initReport", "platform.extension", "function"):
        for time_ns in (5, 5, 6):
            dispatch.publish(Event(kind, time_ns, {"requestId": "a"}))
    dispatch.publish(Event("platform.report", 5, {"requestId": "b"}))
    dispatch.publish(Event("platform.report", 0, {"requestId": "a"}))
    dispatch.publish(Event("platform.report", 0, {"requestId": "a"}))
    assert heard == [
        "platform.report a 5",
        "platform.report a 6",
        "platform.initReport a 5",
        "platform.initReport a 6",
        *["platform.extension a 5"] * 2,
        "platform.extension a 6",
        *["function a 5"] * 2,
        "function a 6",
        "platform.report b 5",
        *["platform.report a 0"] * 2,
    ]


def test_of_those_events_only_the_latest_are_remembered() -> None:
    dispatch, heard = Dispatch(), list[int]()
    dispatch.add_handler("platform.report", lambda e: heard.append(e.time_unix_ns))
    for time_ns in [*range(1, 1001), 1000, 1]:
        dispatch.publish(Event("platform.report", time_ns, {"requestId": "a"}))
    assert heard == [*range(1, 1001), 1]
