"""A function's memory as a limit: who outgrows it is killed, and the platform says why."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.local.environment import memory_limit
from serverless_instrument.local.sandbox import LocalLambda
from tests.local.command_line import run_json
from tests.local.scenario import bare, records, run

if TYPE_CHECKING:
    from tests.local.raw_layer import RawLayer

pytestmark = pytest.mark.integration

_LIMIT_MB = 256
_TOO_MUCH = b"1024"


@pytest.mark.parametrize("handler", ["app.allocate", "app.allocate_in_a_child"])
def test_a_runtime_that_outgrows_its_memory_is_killed(raw_layer: RawLayer, handler: str) -> None:
    async def scenario() -> None:
        config = raw_layer.config(handler, memory_mb=_LIMIT_MB, enforce_memory=True)
        async with LocalLambda(config) as sandbox:
            result = await sandbox.invoke(_TOO_MUCH)
            assert (result.error, result.status) == (True, "error")
            document = json.loads(result.response)
            assert document["errorType"] == result.error_type == "Runtime.OutOfMemory"
            words = "Runtime exited with error: signal: killed"
            assert document["errorMessage"] == f"RequestId: {result.request_id} Error: {words}"
            await sandbox.settled()
            for kind in ("platform.runtimeDone", "platform.report"):
                (record,) = records(sandbox, kind)
                assert (record["status"], record["errorType"]) == ("error", "Runtime.OutOfMemory")
            assert record["metrics"]["maxMemoryUsedMB"] == _LIMIT_MB
            # The extension is told, and the next invocation has an environment of its own.
            assert raw_layer.events()[-1]["shutdownReason"] == "failure"
            first_pid = sandbox.runtime_pid
            again = await sandbox.invoke(b"1")
            assert not again.error
            assert sandbox.runtime_pid != first_pid

    run(scenario())


def test_one_that_stays_below_is_left_alone() -> None:
    async def scenario() -> None:
        config = bare("app.allocate", memory_mb=_LIMIT_MB, enforce_memory=True)
        async with LocalLambda(config) as sandbox:
            for _ in range(3):
                assert (await sandbox.invoke(b"100")).response == b"100"
            await sandbox.settled()
            (*_, record) = records(sandbox, "platform.report")
            assert 100 < record["metrics"]["maxMemoryUsedMB"] < _LIMIT_MB

    run(scenario())


def test_without_being_asked_for_there_is_no_limit() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.allocate", memory_mb=128)) as sandbox:
            assert (await sandbox.invoke(b"200")).response == b"200"

    run(scenario())


def test_the_command_enforces_what_it_is_given() -> None:
    document = run_json("app.allocate", "--memory", str(_LIMIT_MB), event=_TOO_MUCH, exit_code=1)
    (invocation,) = document["invocations"]
    assert invocation["errorType"] == "Runtime.OutOfMemory"
    assert document["function"]["memorySizeMB"] == _LIMIT_MB


def test_a_process_that_is_gone_takes_nothing() -> None:
    own_kb = memory_limit.resident_kb(os.getpid())
    assert own_kb > 1024
    assert memory_limit.ResidentMemory().kb([os.getpid(), 2**22 + 1]) >= own_kb - 1024
    assert memory_limit.resident_kb(2**22 + 1) == 0
