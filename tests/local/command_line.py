"""The command, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "tests" / "functions" / "local"
MAIN = "from serverless_instrument.cli import main; main()"
PATIENCE_S = 60


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
        timeout=PATIENCE_S,
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
