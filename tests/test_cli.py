"""The command line, run as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import site
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from serverless_instrument.local.otlp_receiver import OtlpReceiver

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "tests" / "functions" / "local"
MAIN = "from serverless_instrument.cli import main; main()"
_PATIENCE_S = 60


def command(*arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, *options, "-c", MAIN, *arguments]


def environment(**changes: str) -> dict[str, str]:
    # Where the tests run from a checkout that is not installed.
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def serverless_instrument(
    *arguments: str, event: bytes = b"{}", options: tuple[str, ...] = (), **changes: str
) -> subprocess.CompletedProcess[str]:
    finished = subprocess.run(
        command(*arguments, options=options),
        input=event,
        capture_output=True,
        timeout=_PATIENCE_S,
        cwd=FUNCTIONS,
        env=environment(**changes),
        check=False,
    )
    output, errors = finished.stdout.decode(), finished.stderr.decode()
    return subprocess.CompletedProcess(finished.args, finished.returncode, output, errors)


def run(handler: str, *more: str, event: bytes = b"{}") -> subprocess.CompletedProcess[str]:
    return serverless_instrument("run", handler, "--event", "-", *more, event=event)


def run_json(handler: str, *more: str, event: bytes = b"{}", exit_code: int = 0) -> dict[str, Any]:
    finished = run(handler, "--json", *more, event=event)
    assert (finished.returncode, finished.stderr) == (exit_code, "")
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


# Results


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


# The document


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
    spans = document["spans"]
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
    assert document["spans"][0]["status"]["code"] == "ERROR"


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "names", "remedy"),
    [
        (["app.echo"], "--event", "--help"),
        ([], "MODULE.HANDLER", "--help"),
        (["app.echo", "--event", "-", "--bogus"], "--bogus", "--help"),
        (["nope.handler", "--event", "-"], "'nope.handler'", "--directory"),
        (["app", "--event", "-"], "'app'", "MODULE.FUNCTION"),
        (["app.echo", "--event", "none.json"], "none.json", "stdin"),
        (["app.echo", "--event", "pkg"], "pkg", "readable file"),
        (["app.echo", "--event", "app.py"], "app.py", "JSON document"),
        (["app.echo", "--event", "-", "--directory", "none"], "none", "function's code"),
        (["app.echo", "--event", "-", "--env", "NAME"], "'NAME'", "KEY=VALUE"),
        (["app.echo", "--event", "-", "--env", "=x"], "'=x'", "KEY=VALUE"),
        (["app.echo", "--event", "-", "--env", "A B=x"], "'A B=x'", "KEY=VALUE"),
        (["app.echo", "--event", "-", "--layer", "none.zip"], "none.zip", "build-layer"),
        (["app.echo", "--event", "-", "--layer", "app.py"], "app.py", "layer zip"),
        (["app.echo", "--event", "-", "--endpoint", "localhost:4318"], "'localhost:4318'", "http"),
        (["app.echo", "--event", "-", "--endpoint", "http://x:y"], "'http://x:y'", "http"),
        (["app.echo", "--event", "-", "--timeout", "soon"], "'soon'", "seconds"),
        (["app.echo", "--event", "-", "--timeout", "0"], "'0'", "900"),
        (["app.echo", "--event", "-", "--timeout", "nan"], "'nan'", "900"),
        (["app.echo", "--event", "-", "--timeout", "901"], "'901'", "900"),
        (["app.echo", "--event", "-", "--invocations", "0"], "'0'", "whole number"),
        (["app.echo", "--event", "-", "--invocations", "many"], "'many'", "whole number"),
    ],
)
def test_mistake_is_one_line_with_a_remedy(arguments: list[str], names: str, remedy: str) -> None:
    finished = serverless_instrument("run", *arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert line.startswith("serverless-instrument: ")
    assert names in line
    assert remedy in line


@pytest.mark.parametrize("event", [b"", b"{", b"{'a': 1}", b"NaN", b"\xff", b"\xef\xbb\xbf{}"])
def test_event_that_is_not_json(event: bytes) -> None:
    finished = run("app.echo", event=event)
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert "--event -: not valid JSON" in line


def test_unknown_command() -> None:
    finished = serverless_instrument("bogus")
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1


# What is installed


def packages(directory: Path, *without: str) -> str:
    """A directory with the installed packages except some, to be used with ``-S``."""
    for source in map(Path, site.getsitepackages()):
        for entry in source.iterdir():
            if not entry.name.startswith(without):
                (directory / entry.name).symlink_to(entry)
    (directory / "serverless_instrument").unlink(missing_ok=True)
    (directory / "serverless_instrument").symlink_to(ROOT / "serverless_instrument")
    return str(directory)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("click", "click"),
        ("aiohttp", "aiohttp"),
        ("rich", "rich"),
        ("google", "google"),
        ("awslambdaric", "awslambdaric"),
    ],
)
def test_missing_part_of_the_extra(tmp_path: Path, missing: str, named: str) -> None:
    path = packages(tmp_path, missing)
    finished = serverless_instrument(
        "run", "app.echo", "--event", "-", options=("-S",), PYTHONPATH=path
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert named in line
    assert "pip install 'serverless-instrument[local]'" in line


def test_help_needs_click_alone(tmp_path: Path) -> None:
    path = packages(tmp_path, "aiohttp", "rich", "google", "opentelemetry", "awslambdaric")
    finished = serverless_instrument("run", "--help", options=("-S",), PYTHONPATH=path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "--invocations" in finished.stdout


# Where output goes


def test_pipe_gets_no_colour_and_no_padding() -> None:
    finished = run("app.write")
    assert "\x1b" not in finished.stdout
    waterfall = finished.stdout[finished.stdout.index("trace ") :].splitlines()
    assert all(line == line.rstrip() for line in waterfall)


def test_terminal_gets_colour() -> None:
    master, slave = pty.openpty()
    arguments = command("run", "app.echo", "--event", "-")
    changes = {"TERM": "xterm-256color", "COLUMNS": "80"}
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=slave, cwd=FUNCTIONS, env=environment(**changes)
    )
    os.close(slave)
    assert process.stdin is not None
    process.stdin.write(b'{"a": 1}')
    process.stdin.close()
    output = b""
    while True:
        try:
            output += os.read(master, 65536)
        except OSError:  # EIO: the last writer has closed its end
            break
    os.close(master)
    assert process.wait(_PATIENCE_S) == 0
    assert b"\x1b[" in output
    assert b'"a"' in output


def test_reader_that_leaves_is_not_a_traceback() -> None:
    arguments = command("run", "app.write", "--event", "-", "--invocations", "3")
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=FUNCTIONS,
        env=environment(),
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(b"{}")
    process.stdin.close()
    assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(_PATIENCE_S) == 0
    assert errors == b""


def test_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        finished = subprocess.run(
            command("run", "app.echo", "--event", "-"),
            input=b"{}",
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE_S,
            cwd=FUNCTIONS,
            env=environment(),
            check=False,
        )
    assert finished.returncode == 2
    assert finished.stderr.decode().count("\n") == 1
    assert b"No space left" in finished.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_ends_the_function_too(number: signal.Signals, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process = subprocess.Popen(
        command("run", "app.sleep_with_pid", "--event", "-", "--env", f"PID_FILE={pid_file}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=FUNCTIONS,
        env=environment(),
    )
    assert process.stdin
    process.stdin.write(b"{}")
    process.stdin.close()
    process.stdin = None
    deadline_s = time.monotonic() + _PATIENCE_S
    while not pid_file.exists() or not pid_file.read_text(encoding="ascii"):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=_PATIENCE_S)
    # No handler is asked on SIGKILL.
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert errors == b""
    function = Path(f"/proc/{pid_file.read_text(encoding='ascii')}/stat")
    while function.exists() and function.read_text(encoding="ascii").split()[2] != "Z":
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


# Layers and endpoints


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
    assert [span["name"] for span in document["spans"]] == ["local"]


def test_layer_directory(layer: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(layer) as archive:
        archive.extractall(tmp_path / "layer")
    for name in ("serverless-instrument", "extensions/serverless-instrument"):
        (tmp_path / "layer" / name).chmod(0o755)
    document = run_json("app.describe", "--layer", str(tmp_path / "layer"))
    seen = document["invocations"][0]["response"]["environment"]
    assert seen["SERVERLESS_INSTRUMENT_LOCAL_OPT"] == str(tmp_path / "layer")
    assert [span["name"] for span in document["spans"]] == ["local"]


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
            output, _ = await asyncio.wait_for(process.communicate(b"{}"), _PATIENCE_S)
            assert process.returncode == 0
            return json.loads(output), [span.name for _, _, span in receiver.spans()], receiver.url

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
    assert len(json.loads(finished.stdout)["spans"]) == 1


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
        output, _ = process.communicate(timeout=_PATIENCE_S)
        outputs.append(json.loads(output))
    assert [len(document["spans"]) for document in outputs] == [1, 1]
    assert outputs[0]["spans"][0]["spanId"] != outputs[1]["spans"][0]["spanId"]
