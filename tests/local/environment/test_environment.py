"""The execution environment as a whole: frozen, shut down, replaced."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from serverless_instrument.local.function.layer import LayerError
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.local.raw_layer import FUNCTIONS, RawLayer
from tests.local.scenario import bare, eventually, process_state, run, runs

pytestmark = pytest.mark.integration


def test_processes_are_stopped_between_invocations(raw_layer: RawLayer, tmp_path: Path) -> None:
    ticks = tmp_path / "ticks"

    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.start_ticking")) as sandbox:
            result = await sandbox.invoke(json.dumps(str(ticks)).encode())
            await sandbox.settled()
            child_pid = json.loads(result.response)
            assert sandbox.runtime_pid
            assert sandbox.forwarder_pid
            pids = [sandbox.runtime_pid, sandbox.forwarder_pid, child_pid]
            await eventually(lambda: all(process_state(pid) == "T" for pid in pids))
            frozen_at = ticks.stat().st_size if ticks.exists() else 0
            await asyncio.sleep(0.3)
            assert (ticks.stat().st_size if ticks.exists() else 0) == frozen_at
            again = asyncio.create_task(
                sandbox.invoke(json.dumps(str(tmp_path / "other")).encode())
            )
            await eventually(lambda: ticks.exists() and ticks.stat().st_size > frozen_at)
            await again
        await eventually(lambda: not any(runs(pid) for pid in pids))

    run(scenario())


def test_without_freeze_processes_go_on(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.echo", freeze=False)) as sandbox:
            await sandbox.invoke(b"1")
            await sandbox.settled()
            assert sandbox.runtime_pid
            assert process_state(sandbox.runtime_pid) in {"S", "R", "D"}

    run(scenario())


def test_two_local_lambdas_at_once() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.sleep")) as one, LocalLambda(bare("app.describe")) as two:
            answers = await asyncio.gather(one.invoke(b"0.5"), two.invoke(b"{}"))
            assert one.api_address != two.api_address
            assert answers[0].response == b'"awake"'

    run(scenario())


def test_concurrent_invokes_take_turns() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.echo")) as sandbox:
            results = await asyncio.gather(*(sandbox.invoke(b"%d" % n) for n in range(5)))
            assert [result.response for result in results] == [b"0", b"1", b"2", b"3", b"4"]

    run(scenario())


def test_new_environment_after_shutdown() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.log_stream")) as sandbox:
            first = await sandbox.invoke(b"{}")
            await sandbox.shutdown()
            second = await sandbox.invoke(b"{}")
            assert first.init_duration_ms
            assert second.init_duration_ms
            assert first.response != second.response

    run(scenario())


def test_reset_keeps_the_log_stream() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.log_stream")) as sandbox:
            first = await sandbox.invoke(b"{}")
            await sandbox.settled()
            assert sandbox.runtime_pid
            os.kill(sandbox.runtime_pid, 9)
            await eventually(lambda: sandbox.runtime_exit_code == -9)
            second = await sandbox.invoke(b"{}")
            assert first.response == second.response
            assert re.fullmatch(
                r'"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"', first.response.decode()
            )

    run(scenario())


def test_runtime_killed_while_frozen_is_replaced(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.echo")) as sandbox:
            await sandbox.invoke(b"1")
            await sandbox.settled()
            assert sandbox.runtime_pid
            os.kill(sandbox.runtime_pid, 9)
            await eventually(lambda: sandbox.runtime_exit_code == -9)
            assert (await sandbox.invoke(b"2")).response == b"2"

    run(scenario())


def test_leaving_in_the_middle_of_an_invocation_leaves_no_process(raw_layer: RawLayer) -> None:
    async def scenario() -> None:
        async with LocalLambda(raw_layer.config("app.sleep")) as sandbox:
            pending = asyncio.create_task(sandbox.invoke(b"60"))
            await eventually(lambda: ("function", "going to sleep") in sandbox.log_lines)
            pids = [sandbox.runtime_pid, sandbox.forwarder_pid]
            pending.cancel()
        assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        assert raw_layer.events()[-1]["eventType"] == "SHUTDOWN"

    run(scenario())


def test_scratch_directory_is_private_and_goes_away() -> None:
    async def scenario() -> Path:
        async with LocalLambda(bare("app.describe")) as sandbox:
            result = await sandbox.invoke(b"{}")
            environment = json.loads(result.response)["environment"]
            directory = Path(environment["SERVERLESS_INSTRUMENT_SOCKET"]).parent
            assert directory.stat().st_mode & 0o777 == 0o700
            return directory

    assert not run(scenario()).exists()


def test_missing_layer_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = LocalConfig("app.echo", FUNCTIONS, layer=tmp_path / "none.zip")
        with pytest.raises(LayerError, match=r"none\.zip: no such file"):
            async with LocalLambda(config):
                pass

    run(scenario())
