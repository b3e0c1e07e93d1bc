"""A real extension process beside the runtime, from its registration to its shutdown."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.local.sandbox import LocalLambda
from tests.local.scenario import bare, eventually, records, run

if TYPE_CHECKING:
    from tests.local.raw_layer import RawLayer

pytestmark = pytest.mark.integration


def test_runtime_starts_only_when_the_extension_has_registered(raw_layer: RawLayer) -> None:
    config = raw_layer.config("app.echo", {"register_delay_s": 0.7})

    async def scenario() -> None:
        async with LocalLambda(config) as sandbox:
            started = asyncio.create_task(sandbox.invoke(b"1"))
            await eventually(lambda: bool(raw_layer.entries("start")))
            assert sandbox.runtime_pid is None
            result = await started
            assert (result.init_duration_ms or 0) >= 700
            assert ("extension", "extension is up") in sandbox.log_lines

    run(scenario())


def test_extension_sees_invocations_and_shutdown(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.echo", {"exit_code": 4})) as sandbox:
            results = [await sandbox.invoke(b"1") for _ in range(2)]
            await sandbox.shutdown()
            assert sandbox.extension_exit_code == 4
            *invokes, shutdown = raw_layer.events()
            assert [event["requestId"] for event in invokes] == [r.request_id for r in results]
            assert invokes[0]["eventType"] == "INVOKE"
            assert invokes[0]["invokedFunctionArn"].endswith(":function:local")
            assert invokes[0]["tracing"]["value"] == results[0].trace_id
            assert invokes[0]["deadlineMs"] > time.time() * 1000
            assert (shutdown["eventType"], shutdown["shutdownReason"]) == ("SHUTDOWN", "spindown")
            assert shutdown["deadlineMs"] <= time.time() * 1000 + 2000

    run(scenario())


def test_extension_environment_lacks_what_is_the_runtimes(raw_layer: RawLayer) -> None:
    config = raw_layer.config("app.echo", env={"_SECRET": "1", "MINE": "yes"})

    async def scenario() -> None:
        async with LocalLambda(config) as sandbox:
            await sandbox.invoke(b"1")

    run(scenario())
    environment = raw_layer.entries("start")[0]["environment"]
    assert environment["MINE"] == "yes"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "local"
    assert environment["AWS_LAMBDA_RUNTIME_API"]
    withheld = {"LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_EXECUTION_ENV", "_SECRET"}
    assert not withheld & environment.keys()
    # A shell sets "_" itself.
    assert not [name for name in environment if name.startswith("_") and name != "_"]


def test_answer_does_not_wait_for_the_extension_but_the_next_invocation_does(
    raw_layer: RawLayer,
) -> None:
    config = raw_layer.config("app.echo", {"next_delay_s": 1.0})

    async def scenario() -> None:
        async with LocalLambda(config) as sandbox:
            first = await sandbox.invoke(b"1")
            assert not raw_layer.entries("next")
            assert first.response_ms < 1000
            assert first.billed_duration_ms is None
            await sandbox.invoke(b"2")
            assert len(raw_layer.entries("next")) == 1
            assert first.duration_ms >= 1000
            assert records(sandbox, "platform.report")[0]["metrics"]["billedDurationMs"] >= 1000
            overhead = records(sandbox, "platform.report")[0]["spans"][0]
            assert overhead["name"] == "extensionOverhead"
            assert overhead["durationMs"] >= 900

    run(scenario())


def test_extension_that_overruns_the_timeout(raw_layer: RawLayer) -> None:
    config = raw_layer.config("app.echo", {"next_delay_s": 60}, timeout_s=1)

    async def scenario() -> None:
        async with LocalLambda(config) as sandbox:
            result = await sandbox.invoke(b"1")
            assert (result.response, result.status) == (b"1", "success")
            await sandbox.settled()
            assert result.status == "timeout"
            assert result.response == b"1"
            # It never asked for the next event, so it was killed at the end of its 2 s.
            assert sandbox.extension_exit_code == -9

    run(scenario())


@pytest.mark.parametrize("orders", [{"exit_on_invoke": 3}, {"exit_on_invoke": 0}])
def test_extension_that_exits_takes_the_invocation_with_it(
    raw_layer: RawLayer, orders: dict[str, Any]
) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.sleep", orders)) as sandbox:
            result = await sandbox.invoke(b"20")
            document = json.loads(result.response)
            assert document["errorType"] == result.error_type == "Extension.Crash"

    run(scenario())


def test_extension_that_exits_before_it_registers(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        config = raw_layer.config("app.echo", {"exit_before_register": 1})
        async with LocalLambda(config) as sandbox:
            result = await sandbox.invoke(b"1")
            assert result.error_type == "Extension.Crash"
            assert sandbox.runtime_pid is None

    run(scenario())


def test_extension_that_is_not_executable(raw_layer: RawLayer) -> None:
    (raw_layer.directory / "extensions" / "raw").chmod(0o644)

    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.echo")) as sandbox:
            result = await sandbox.invoke(b"1")
            assert result.error_type == "Extension.LaunchError"

    run(scenario())


def test_extension_without_shutdown_is_killed_untold(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.echo", {"events": ["INVOKE"]})) as sandbox:
            await sandbox.invoke(b"1")
            await sandbox.shutdown()
            assert sandbox.extension_exit_code == -9
            assert [event["eventType"] for event in raw_layer.events()] == ["INVOKE"]

    run(scenario())


def test_extension_slower_than_its_shutdown_time_is_killed(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        config = raw_layer.config("app.echo", {"shutdown_delay_s": 60})
        async with LocalLambda(config) as sandbox:
            await sandbox.invoke(b"1")
            started_s = time.monotonic()
            await sandbox.shutdown()
            assert time.monotonic() - started_s >= 1.9
            assert sandbox.extension_exit_code == -9
            assert not raw_layer.entries("exit")

    run(scenario())


def test_internal_extension() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("internal_extension.handler")) as sandbox:
            await sandbox.invoke(b"{}")
            second = await sandbox.invoke(b"{}")
            seen = json.loads(second.response)
            status, _, document = seen["refused"]
            assert status == 403
            assert document["errorType"] == "Extension.InvalidEventType"
            ours = [event for event in seen["seen"] if event["requestId"] != second.request_id]
            assert [event["eventType"] for event in ours] == ["INVOKE"]

    run(scenario())
