"""The command line: results, the document, layers and endpoints."""

from __future__ import annotations

import asyncio
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serverless_instrument.local.otlp_receiver import OtlpReceiver
from tests.local.command_line import (
    FUNCTIONS,
    PATIENCE_S,
    ROOT,
    command,
    environment,
    run,
    run_json,
    serverless_instrument,
)

pytestmark = pytest.mark.integration


def invocation_spans(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the document's spans that are of invocations; init has its own."""
    return [span for span in document["spans"] if span["kind"] == "SERVER"]


def test_result_logs_and_trace() -> None:
    finished = run("app.echo", event=b'{"a": 1}')
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[lines.index("response") + 1] == '{"a": 1}'
    assert any(line.startswith("success  request ") and "init " in line for line in lines)
    assert any(line.startswith("trace ") and "1 span" in line for line in lines)
    row = next(line for line in lines if "█" in line)
    assert row.split()[:2] == ["local", "server"]


def test_log_lines_are_written_as_they_are() -> None:
    finished = run("app.write")
    lines = finished.stdout.splitlines()
    assert "two words" in lines
    assert "raw to stdout" in lines
    logged = lines.index("over two lines")
    assert lines[logged - 1].startswith("[INFO]\t")


@pytest.mark.parametrize(
    ("handler", "event", "error_type"),
    [
        ("app.fail", b"{}", "ValueError"),
        ("app.leave", b"3", "Runtime.ExitError"),
        ("app.sleep", b"30", "Sandbox.Timedout"),
        ("raises_at_import.handler", b"{}", "RuntimeError"),
        ("app.no_such_function", b"{}", "Runtime.HandlerNotFound"),
    ],
)
def test_function_that_fails(handler: str, event: bytes, error_type: str) -> None:
    finished = run(handler, "--timeout", "3", event=event)
    assert (finished.returncode, finished.stderr) == (1, "")
    lines = finished.stdout.splitlines()
    assert json.loads(lines[lines.index("error") + 1])["errorType"] == error_type


def test_one_failure_among_several_invocations() -> None:
    assert run("app.fail", "--invocations", "2").stdout.count("ValueError") >= 2
    finished = run("app.echo", "--invocations", "3")
    assert finished.returncode == 0
    assert finished.stdout.splitlines().count("response") == 3


def test_event_file_and_directory(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('"from a file"', encoding="utf-8")
    finished = serverless_instrument(
        "run", "mod.handler", "--event", str(event), "--directory", "pkg", "--env", "X=a=b"
    )
    assert '"mod"' in finished.stdout.splitlines()


def test_env_is_given_to_the_function() -> None:
    document = run_json("app.describe", "--env", "ONE=a=b", "--env", "TWO=")
    seen = document["invocations"][0]["response"]["environment"]
    assert (seen["ONE"], seen["TWO"]) == ("a=b", "")


def test_json_document() -> None:
    document = run_json("app.write", "--invocations", "2", "--timeout", "9")
    assert set(document) == {
        "function",
        "invocations",
        "logs",
        "endpoint",
        "spans",
        "logRecords",
        "metrics",
    }
    assert document["function"] == {
        "handler": "app.write",
        "name": "local",
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:local",
        "directory": str(FUNCTIONS),
        "memorySizeMB": 1769,
        "timeoutMs": 9000,
    }
    cold, warm = document["invocations"]
    assert (cold["status"], cold["payload"], cold["response"]) == ("success", "null", None)
    assert (cold["error"], cold["errorType"]) == (None, None)
    assert cold["initDurationMs"] > 0
    assert cold["billedDurationMs"] >= cold["initDurationMs"] + cold["durationMs"]
    assert warm["initDurationMs"] is None
    assert cold["requestId"] != warm["requestId"]
    assert cold["maxMemoryUsedMB"] > 0
    assert {"source": "function", "text": "two words"} in document["logs"]
    spans = invocation_spans(document)
    assert [span["attributes"]["faas.invocation_id"] for span in spans] == [
        cold["requestId"],
        warm["requestId"],
    ]
    span = spans[0]
    assert (span["name"], span["kind"]) == ("local", "SERVER")
    assert len(span["traceId"]) == 32
    assert len(span["spanId"]) == 16
    assert 0 < span["endTimeUnixNano"] - span["startTimeUnixNano"] < 9 * 10**9
    assert span["status"]["code"] == "UNSET"
    assert span["resource"]["faas.name"] == "local"


def test_json_document_of_a_failure() -> None:
    document = run_json("app.fail", exit_code=1)
    (invocation,) = document["invocations"]
    assert invocation["status"] == "error"
    assert invocation["response"] is None
    assert invocation["error"]["errorType"] == "ValueError"
    assert json.loads(invocation["payload"]) == invocation["error"]
    (span,) = invocation_spans(document)
    assert span["status"]["code"] == "ERROR"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with the package alone: enough for a function that imports nothing else."""
    path = tmp_path / "layer.zip"
    package = ROOT / "serverless_instrument"
    with zipfile.ZipFile(path, "w") as archive:
        for source in [*package.rglob("*.py"), package / "wrapper" / "exec"]:
            archive.write(source, f"python/{source.relative_to(ROOT)}")
        archive.write(package / "wrapper" / "exec", "serverless-instrument")
        launcher = "extensions/serverless-instrument"
        archive.write(ROOT / "layer" / launcher, launcher)
    return path


def test_layer_zip(layer: Path) -> None:
    document = run_json("app.describe", "--layer", str(layer))
    seen = document["invocations"][0]["response"]
    opt = Path(seen["environment"]["SERVERLESS_INSTRUMENT_LOCAL_OPT"])
    assert opt != Path("/opt")
    assert str(opt / "python") in seen["path"]
    assert seen["environment"]["AWS_LAMBDA_EXEC_WRAPPER"] == str(opt / "serverless-instrument")
    assert [span["name"] for span in invocation_spans(document)] == ["local"]


def test_layer_directory(layer: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(layer) as archive:
        archive.extractall(tmp_path / "layer")
    for name in ("serverless-instrument", "extensions/serverless-instrument"):
        (tmp_path / "layer" / name).chmod(0o755)
    document = run_json("app.describe", "--layer", str(tmp_path / "layer"))
    seen = document["invocations"][0]["response"]["environment"]
    assert seen["SERVERLESS_INSTRUMENT_LOCAL_OPT"] == str(tmp_path / "layer")
    assert [span["name"] for span in invocation_spans(document)] == ["local"]


@pytest.mark.parametrize("option", ["--endpoint={url}", "--env=OTEL_EXPORTER_OTLP_ENDPOINT={url}"])
def test_telemetry_to_an_endpoint(option: str) -> None:
    async def scenario() -> tuple[dict[str, Any], list[str], str]:
        async with OtlpReceiver() as receiver:
            process = await asyncio.create_subprocess_exec(
                *command("run", "app.echo", "--event", "-", "--json"),
                option.format(url=receiver.url),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=FUNCTIONS,
                # A setting for one signal would win over the endpoint for all.
                env=environment(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1/v1/traces"),
            )
            output, _ = await asyncio.wait_for(process.communicate(b"{}"), PATIENCE_S)
            assert process.returncode == 0
            received = [span for _, _, span in receiver.spans()]
            names = [span.name for span in received if span.kind == Span.SPAN_KIND_SERVER]
            return json.loads(output), names, receiver.url

    document, names, url = asyncio.run(scenario())
    assert names == ["local"]
    assert document["endpoint"] == url
    assert document["spans"] == []


def test_exporter_settings_of_the_shell_do_not_reach_the_embedded_receiver() -> None:
    finished = serverless_instrument(
        "run",
        "app.echo",
        "--event",
        "-",
        "--json",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1",
    )
    assert len(invocation_spans(json.loads(finished.stdout))) == 1


def test_two_at_once() -> None:
    both = [
        subprocess.Popen(
            [*command("run", "app.sleep", "--event", "-", "--json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=FUNCTIONS,
            env=environment(),
        )
        for _ in range(2)
    ]
    outputs = []
    for process in both:
        assert process.stdin
        process.stdin.write(b"0.3")
        process.stdin.close()
        process.stdin = None
    for process in both:
        output, _ = process.communicate(timeout=PATIENCE_S)
        outputs.append(json.loads(output))
    (first,), (second,) = (invocation_spans(document) for document in outputs)
    assert first["spanId"] != second["spanId"]
    traces = [{span["traceId"] for span in document["spans"]} for document in outputs]
    assert traces == [{first["traceId"]}, {second["traceId"]}]
