"""Errors, crashes and timeouts: what the caller gets, and what becomes of the environment."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.local.sandbox import LocalLambda
from tests.local.scenario import bare, records, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.raw_layer import RawLayer

pytestmark = pytest.mark.integration


def test_handler_error_is_the_runtimes_document() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.fail")) as sandbox:
            result = await sandbox.invoke(b"{}")
            await sandbox.settled()
            document = json.loads(result.response)
            assert (document["errorType"], document["errorMessage"]) == ("ValueError", "on purpose")
            assert document["requestId"] == result.request_id
            assert "app.py" in document["stackTrace"][0]
            assert (result.error, result.status) == (True, "error")
            assert records(sandbox, "platform.report")[0]["status"] == "error"
            assert (await sandbox.invoke(b"{}")).init_duration_ms is None

    run(scenario())


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (b"3", "Runtime exited with error: exit status 3"),
        (b"0", "Runtime exited without providing a reason"),
        (b'"kill"', "Runtime exited with error: signal: killed"),
    ],
)
def test_runtime_that_exits(raw_layer: RawLayer, event: bytes, words: str) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.leave")) as sandbox:
            result = await sandbox.invoke(event)
            document = json.loads(result.response)
            assert document["errorType"] == result.error_type == "Runtime.ExitError"
            assert document["errorMessage"] == f"RequestId: {result.request_id} Error: {words}"
            await sandbox.settled()
            assert ("function", "last words") in sandbox.log_lines
            assert raw_layer.events()[-1]["shutdownReason"] == "failure"
            assert sandbox.extension_exit_code == 0
            first_pid = sandbox.runtime_pid
            await sandbox.invoke(event)
            assert sandbox.runtime_pid != first_pid
            assert [record["phase"] for record in records(sandbox, "platform.initStart")] == [
                "init",
                "invoke",
            ]

    run(scenario())


@pytest.mark.parametrize(
    ("handler", "error_type"),
    [
        ("raises_at_import.handler", "RuntimeError"),
        ("missing_import.handler", "Runtime.ImportModuleError"),
        ("app.no_such_function", "Runtime.HandlerNotFound"),
        ("exits_at_import.handler", "Runtime.ExitError"),
    ],
)
def test_init_error(raw_layer: RawLayer, handler: str, error_type: str) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config(handler)) as sandbox:
            result = await sandbox.invoke(b"{}")
            await sandbox.settled()
            assert json.loads(result.response)["errorType"] == error_type
            assert (result.error, result.status) == (True, "error")
            reports = records(sandbox, "platform.initReport")
            # The platform tries again on the invocation's time before it gives up.
            assert [(report["phase"], report["status"]) for report in reports] == [
                ("init", "error"),
                ("invoke", "error"),
            ]
            assert all(report["errorType"] == error_type for report in reports)
            assert [event["eventType"] for event in raw_layer.events()] == ["SHUTDOWN"] * 2

    run(scenario())


def test_timeout(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.sleep", timeout_s=1)) as sandbox:
            assert (await sandbox.invoke(b"0")).error is False
            before_ms = time.time() * 1000
            result = await sandbox.invoke(b"60")
            assert json.loads(result.response) == {
                "errorType": "Sandbox.Timedout",
                "errorMessage": f"RequestId: {result.request_id} Error: Task timed out after"
                " 1.00 seconds",
            }
            assert result.status == "timeout"
            await sandbox.settled()
            shutdown = raw_layer.events()[-1]
            assert shutdown["shutdownReason"] == "Timeout"
            # Two seconds from the timeout on, one second after the invocation's start.
            assert shutdown["deadlineMs"] >= before_ms + 3000
            exit_time_ms = raw_layer.entries("exit")[0]["time_ns"] / 1e6
            assert exit_time_ms <= shutdown["deadlineMs"]
            assert records(sandbox, "platform.runtimeDone")[-1]["status"] == "timeout"
            report = records(sandbox, "platform.report")[-1]
            assert report["status"] == "timeout"
            # The time that the environment took to end is not the function's.
            assert 1000 <= report["metrics"]["durationMs"] == pytest.approx(1000, abs=500)
            assert (await sandbox.invoke(b"0")).response == b'"awake"'

    run(scenario())


def test_timeout_sends_sigterm_to_the_runtime(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.on_sigterm", timeout_s=1)) as sandbox:
            await sandbox.invoke(b"{}")
            await sandbox.settled()
            assert ("function", "got SIGTERM") in sandbox.log_lines

    run(scenario())


def test_timeout_without_extension_kills_at_once() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.on_sigterm", timeout_s=1)) as sandbox:
            await sandbox.invoke(b"{}")
            await sandbox.settled()
            assert sandbox.log_lines == []

    run(scenario())


def test_output_without_end_does_not_hold_up_the_timeout() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.flood", timeout_s=1)) as sandbox:
            result = await sandbox.invoke(b"{}")
            assert result.status == "timeout"
            # The noisy process is allowed its share of the machine.
            assert result.response_ms < 10_000

    run(scenario())


def test_init_that_takes_too_long_goes_on_in_the_invocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serverless_instrument.local.environment.invoke_phase.INIT_LIMIT_S", 1.5)
    config = bare("slow_import.handler", env={"MARKER": str(tmp_path / "marker")})

    async def scenario() -> None:
        async with LocalLambda(config) as sandbox:
            result = await sandbox.invoke(b"{}")
            assert json.loads(result.response) == "up at last"
            assert result.init_duration_ms is None
            reports = records(sandbox, "platform.initReport")
            assert [(report["phase"], report["status"]) for report in reports] == [
                ("init", "timeout"),
                ("invoke", "success"),
            ]

    run(scenario())


def test_response_over_six_megabytes() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.large")) as sandbox:
            result = await sandbox.invoke(b"6291600")
            document = json.loads(result.response)
            assert document["errorType"] == "Function.ResponseSizeTooLarge"
            assert result.error

    run(scenario())
