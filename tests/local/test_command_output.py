"""Pipes, terminals, full disks and signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.local.command_line import (
    FUNCTIONS,
    PATIENCE_S,
    command,
    environment,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


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
    assert process.wait(PATIENCE_S) == 0
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
    assert process.wait(PATIENCE_S) == 0
    assert errors == b""


def test_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        finished = subprocess.run(
            command("run", "app.echo", "--event", "-"),
            input=b"{}",
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            cwd=FUNCTIONS,
            env=environment(),
            check=False,
        )
    assert finished.returncode == 2
    assert finished.stderr.decode().count("\n") == 1
    assert b"No space left" in finished.stderr


@pytest.fixture
def temporary() -> Iterator[str]:
    """A directory for temporary files, its path short; SIGKILL leaves them behind."""
    with tempfile.TemporaryDirectory() as directory:
        yield directory


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_ends_the_function_too(
    number: signal.Signals, tmp_path: Path, temporary: str
) -> None:
    pid_file = tmp_path / "pid"
    process = subprocess.Popen(
        command("run", "app.sleep_with_pid", "--event", "-", "--env", f"PID_FILE={pid_file}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=FUNCTIONS,
        env=environment(TMPDIR=temporary),
    )
    assert process.stdin
    process.stdin.write(b"{}")
    process.stdin.close()
    process.stdin = None
    deadline_s = time.monotonic() + PATIENCE_S
    while not pid_file.exists() or not pid_file.read_text(encoding="ascii"):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    # No handler is asked on SIGKILL.
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert errors == b""
    function = Path(f"/proc/{pid_file.read_text(encoding='ascii')}/stat")
    while function.exists() and function.read_text(encoding="ascii").split()[2] != "Z":
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
