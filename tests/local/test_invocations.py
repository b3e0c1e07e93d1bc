"""Invocations with AWS's runtime client: what goes in, what comes out, what is reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.local.raw_layer import FUNCTIONS
from tests.local.scenario import bare, kinds, records, run

pytestmark = pytest.mark.integration


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
