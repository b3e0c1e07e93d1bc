"""The Python of a case's function: the runtime client and what the case needs, nothing of ours."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_RUNTIME_CLIENT = "awslambdaric>=3"
# One environment serves all cases, so that it is made once; but OpenTelemetry in the function is a
# matter of the case.
_COMMON = (
    "aiohttp",
    "aws-lambda-powertools",
    "boto3",
    "freezegun",
    "gevent",
    "httpx",
    "loguru",
    "mangum",
    "requests",
    "sentry-sdk",
    "structlog",
    "urllib3",
    "werkzeug",
)


class InstallError(Exception):
    """pip could not install what a case needs."""


def interpreter(packages: Sequence[str], cache: Path, python: str = sys.executable) -> str:
    """Path of a Python with `packages`, in an environment that is kept in `cache`.

    Raises:
        InstallError: the environment cannot be made.
    """
    apart = sorted(set(packages) - set(_COMMON))
    wanted = [_RUNTIME_CLIENT, *_COMMON, *apart]
    digest = hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:12]
    directory = cache / "cases" / digest
    made, ready = str(directory / "bin" / "python"), directory / "ready"
    if not ready.exists():
        print(
            f"==> making a Python with {', '.join(apart) or 'the usual packages'}", file=sys.stderr
        )
        _run([python, "-m", "venv", "--clear", str(directory)])
        _run([made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
        ready.touch()
    return made


def _run(command: list[str]) -> None:
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise InstallError(f"{' '.join(command[:4])} …: {completed.stderr.strip()[-400:]}")
