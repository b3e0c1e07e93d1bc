"""The local Lambda with AWS's runtime client and a real extension process in it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from serverless_instrument.local.layer import LayerError
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.local.raw_layer import FUNCTIONS, RawLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

pytestmark = pytest.mark.integration

_Result = TypeVar("_Result")
_PATIENCE_S = 30.0


def run(scenario: Coroutine[Any, Any, _Result]) -> _Result:
    return asyncio.run(asyncio.wait_for(scenario, 90))


async def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        await asyncio.sleep(0.01)


def bare(handler: str, **more: Any) -> LocalConfig:
    return LocalConfig(handler, FUNCTIONS, instrumented=False, **more)


def process_state(pid: int) -> str:
    status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return status.rpartition(")")[2].split()[0]


def runs(pid: int) -> bool:
    """False once it has ended, whether or not its parent, perhaps init, has taken notice."""
    try:
        return process_state(pid) != "Z"
    except FileNotFoundError:
        return False


def records(sandbox: LocalLambda, kind: str) -> list[Any]:
    return [event["record"] for event in sandbox.telemetry if event["type"] == kind]


def kinds(sandbox: LocalLambda) -> list[str]:
    return [event["type"] for event in sandbox.telemetry]


# Invocations


@pytest.mark.parametrize("event", [b'{"a": [1, 2.50, "\\u00e9"]}', b" 1 ", b'"\xc3\xa9"', b"null"])
def test_event_in_result_out(event: bytes) -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.echo")) as sandbox:
            result = await sandbox.invoke(event)
            assert json.loads(result.response) == json.loads(event)
            assert (result.error, result.status) == (False, "success")

    run(scenario())


def test_event_and_answer_are_not_touched(tmp_path: Path) -> None:
    # A layer may replace the runtime by its exec wrapper.
    wrapper = tmp_path / "serverless-instrument"
    script = Path(__file__).with_name("raw_runtime.py")
    wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n", encoding="utf-8")
    wrapper.chmod(0o755)
    event = b' {"a": 1.50, "a":\t"\\u00e9 \xc3\xa9"}\r\n'

    async def scenario() -> None:
        async with LocalLambda(LocalConfig("app.echo", FUNCTIONS, layer=tmp_path)) as sandbox:
            assert (await sandbox.invoke(event)).response == event
            assert (await sandbox.invoke(b"2")).response == b"2"

    run(scenario())


@pytest.mark.parametrize(
    ("handler", "module"),
    [
        ("pkg.mod.handler", "pkg.mod"),
        ("pkg/mod.handler", "pkg.mod"),
        ("dir/mod.handler", "dir.mod"),
    ],
)
def test_handler_forms(handler: str, module: str) -> None:
    async def scenario() -> bytes:
        async with LocalLambda(bare(handler)) as sandbox:
            return (await sandbox.invoke(b"{}")).response

    assert json.loads(run(scenario())) == module


def test_context_and_environment_are_lambdas() -> None:
    config = bare("app.describe", env={"AWS_REGION": "eu-west-1", "MINE": "yes"}, timeout_s=20)
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

    async def scenario() -> dict[str, Any]:
        async with LocalLambda(config) as sandbox:
            custom = json.dumps({"custom": {"k": "v"}})
            result = await sandbox.invoke(b"{}", trace_id=trace, client_context=custom)
            answer: dict[str, Any] = json.loads(result.response)
            assert answer["request_id"] == result.request_id
            return answer

    seen = run(scenario())
    environment = seen["environment"]
    assert seen["arn"] == "arn:aws:lambda:eu-west-1:123456789012:function:local"
    assert seen["client_context"] == {"k": "v"}
    assert seen["cwd"] == str(FUNCTIONS)
    assert 0 < seen["remaining_ms"] <= 20_000
    assert seen["memory"] == "1769"
    assert seen["path"][0] == str(FUNCTIONS)
    assert environment["_X_AMZN_TRACE_ID"] == trace
    assert environment["_HANDLER"] == "app.describe"
    assert environment["MINE"] == "yes"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_python{version}"
    assert len(environment["SERVERLESS_INSTRUMENT_SOCKET"]) < 100
    assert environment["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"


def test_trace_id_is_fresh_for_each_invocation() -> None:
    async def scenario() -> set[str]:
        async with LocalLambda(bare("app.echo")) as sandbox:
            return {(await sandbox.invoke(b"{}")).trace_id for _ in range(3)}

    traces = run(scenario())
    assert len(traces) == 3
    assert all(trace.endswith(";Sampled=0") for trace in traces)


def test_log_lines_in_order_and_whole() -> None:
    async def scenario() -> list[tuple[str, str]]:
        lines: list[tuple[str, str]] = []
        config = bare("app.write", on_log=lambda source, text: lines.append((source, text)))
        async with LocalLambda(config) as sandbox:
            await sandbox.invoke(b"{}")
            await sandbox.shutdown()
            assert sandbox.log_lines == lines
            assert list(records(sandbox, "function")) == [text for _, text in lines]
        return lines

    lines = run(scenario())
    assert {source for source, _ in lines} == {"function"}
    texts = [text for _, text in lines]
    logged = [text for text in texts if text.startswith("[INFO]")]
    assert len(logged) == 1
    assert logged[0].endswith("logged\nover two lines")
    texts.remove(logged[0])
    assert texts == ["first line", "two words", "raw to stdout", "raw to stderr, no newline"]


def test_json_log_format_makes_records_objects() -> None:
    config = bare("app.json_line", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})

    async def scenario() -> list[Any]:
        async with LocalLambda(config) as sandbox:
            await sandbox.invoke(b"{}")
            await sandbox.settled()
            return records(sandbox, "function")

    assert run(scenario()) == [{"level": "INFO", "message": "structured"}]


def test_platform_events_of_a_cold_and_a_warm_invocation() -> None:
    async def scenario() -> None:
        async with LocalLambda(bare("app.echo", memory_mb=256)) as sandbox:
            cold = await sandbox.invoke(b'"0123456789"')
            warm = await sandbox.invoke(b"1")
            await sandbox.settled()
            invoked = ["platform.start", "platform.runtimeDone", "platform.report"]
            init = ["platform.initStart", "platform.initRuntimeDone", "platform.initReport"]
            assert kinds(sandbox) == init + invoked + invoked
            first, second = records(sandbox, "platform.report")
            assert first["requestId"] == cold.request_id
            assert first["metrics"]["memorySizeMB"] == 256
            assert first["metrics"]["maxMemoryUsedMB"] > 5
            assert first["metrics"]["initDurationMs"] == pytest.approx(cold.init_duration_ms, abs=1)
            assert first["metrics"]["billedDurationMs"] == cold.billed_duration_ms
            assert cold.billed_duration_ms is not None
            assert cold.billed_duration_ms >= cold.duration_ms + (cold.init_duration_ms or 0)
            assert "initDurationMs" not in second["metrics"]
            assert warm.init_duration_ms is None
            done = records(sandbox, "platform.runtimeDone")[0]
            assert done["metrics"]["producedBytes"] == len(cold.response)
            assert [span["name"] for span in done["spans"]] == [
                "responseLatency",
                "responseDuration",
                "runtimeOverhead",
            ]
            start = records(sandbox, "platform.start")[0]
            assert start["tracing"] == {"type": "X-Amzn-Trace-Id", "value": cold.trace_id}

    run(scenario())


# Failures


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
            assert records(sandbox, "platform.report")[-1]["status"] == "timeout"
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
    monkeypatch.setattr("serverless_instrument.local.invoke_phase.INIT_LIMIT_S", 1.5)
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


# Extensions


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


# Freeze


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


# The environment as a whole


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
        async with LocalLambda(bare("app.echo")) as sandbox:
            first = await sandbox.invoke(b"1")
            await sandbox.shutdown()
            second = await sandbox.invoke(b"2")
            assert first.init_duration_ms
            assert second.init_duration_ms

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
