"""The Telemetry API: what a subscribed extension is sent, when, and how often."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.local.sandbox import LocalLambda
from tests.local.scenario import eventually

if TYPE_CHECKING:
    from tests.local.raw_layer import RawLayer

pytestmark = pytest.mark.integration


def deliver(raw_layer: RawLayer, handler: str, orders: dict[str, Any], event: bytes) -> LocalLambda:
    """One invocation and an ordinary shutdown.

    An extension that left at once would miss what the platform has yet to deliver.
    """

    async def scenario() -> LocalLambda:
        patient = {"shutdown_delay_s": 1, **orders}
        async with LocalLambda(raw_layer.config(handler, patient, timeout_s=3)) as sandbox:
            await sandbox.invoke(event)
            await sandbox.settled()
            await sandbox.shutdown()
        return sandbox

    return asyncio.run(scenario())


def test_everything_subscribed_to_arrives_once_and_in_order(raw_layer: RawLayer) -> None:
    sandbox = deliver(raw_layer, "app.write", {"subscribe": {}}, b"{}")
    status, _, answer = raw_layer.entries("subscribe")[0]["answer"]
    assert (status, answer) == (200, "OK")
    expected = [event for event in sandbox.telemetry if event["type"] != "extension"]
    assert raw_layer.posts() == expected
    kinds = [event["type"] for event in expected if event["type"] != "function"]
    assert kinds == [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ]
    subscribed = next(e for e in expected if e["type"] == "platform.telemetrySubscription")
    assert subscribed["record"] == {
        "name": "raw",
        "state": "Subscribed",
        "types": ["platform", "function"],
    }
    for event in expected:
        datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
    post = raw_layer.entries("post")[0]
    assert post["path"] == "/here"
    assert post["host"].startswith("sandbox.localdomain:")


def test_only_the_types_subscribed_to(raw_layer: RawLayer) -> None:
    orders = {"subscribe": {"types": ["function", "extension"]}}
    deliver(raw_layer, "app.write", orders, b"{}")
    assert {event["type"] for event in raw_layer.posts()} == {"function", "extension"}
    assert "extension is up" in [event["record"] for event in raw_layer.posts()]


def test_refused_posts_come_again(raw_layer: RawLayer) -> None:
    orders = {"subscribe": {}, "refuse_posts": 3}
    sandbox = deliver(raw_layer, "app.echo", orders, b"{}")
    posts = raw_layer.entries("post")
    assert [post["refused"] for post in posts[:4]] == [True, True, True, False]
    assert posts[0]["events"] == posts[1]["events"] == posts[2]["events"]
    # Delays grow; the first ones are 50 and 100 ms.
    times_ms = [post["time_ns"] / 1e6 for post in posts[:3]]
    assert times_ms[1] - times_ms[0] >= 45
    assert times_ms[2] - times_ms[1] >= 90
    expected = [event for event in sandbox.telemetry if event["type"] != "extension"]
    assert raw_layer.posts() == expected


def test_events_are_held_for_the_buffering_time(raw_layer: RawLayer) -> None:
    orders = {"subscribe": {"buffering": {"timeoutMs": 700}, "types": ["function"]}}

    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.sleep", orders)) as sandbox:
            started_ns = time.time_ns()
            pending = asyncio.create_task(sandbox.invoke(b"1.5"))
            await eventually(lambda: bool(raw_layer.entries("post")))
            assert not pending.done()
            held_ms = (raw_layer.entries("post")[0]["time_ns"] - started_ns) / 1e6
            assert held_ms >= 700
            await pending

    asyncio.run(scenario())


def test_report_of_a_frozen_environment_comes_with_the_next_invocation(
    raw_layer: RawLayer,
) -> None:
    config = raw_layer.config("app.echo", {"subscribe": {}, "shutdown_delay_s": 1})

    async def scenario() -> None:
        async with LocalLambda(config) as sandbox:
            first = await sandbox.invoke(b"1")
            await sandbox.settled()
            await asyncio.sleep(0.3)  # many times timeoutMs: nothing may arrive
            assert "platform.report" not in [event["type"] for event in raw_layer.posts()]
            await sandbox.invoke(b"2")
            await sandbox.shutdown()
            reports = [e["record"] for e in raw_layer.posts() if e["type"] == "platform.report"]
            assert len(reports) == 2
            assert reports[0]["requestId"] == first.request_id

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("handler", "event", "status", "error_type"),
    [
        ("app.leave", b"3", "error", "Runtime.ExitError"),
        ("app.sleep", b"60", "timeout", "Sandbox.Timedout"),
    ],
)
def test_end_of_a_failed_environment_is_told_before_it_ends(
    raw_layer: RawLayer, handler: str, event: bytes, status: str, error_type: str
) -> None:
    orders = {"subscribe": {"buffering": {"timeoutMs": 30000}}}
    deliver(raw_layer, handler, orders, event)
    told = {event["type"]: event["record"] for event in raw_layer.posts()}
    assert told["platform.runtimeDone"]["status"] == status
    assert told["platform.report"]["status"] == status
    assert told["platform.report"]["errorType"] == error_type
