"""A Python that has what the managed runtime has, and nothing of OpenTelemetry; kept in .cache."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "bench"
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html; and requests, for functions.
PACKAGES = ("awslambdaric==4.2.2", "boto3==1.44.5", "requests==2.34.2")


class InstallError(Exception):
    """pip could not install something; the message is pip's last line."""


def managed_python(cache: Path = CACHE) -> str:
    """Path of the interpreter, whose environment is made on first use.

    Raises:
        InstallError: it could not be made.
    """
    wanted = "\n".join((sys.version, sys.executable, *PACKAGES))
    directory = cache / f"runtime-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python = directory / "bin" / "python"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "runtime.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not (directory / "ready").exists():
            run_pip([sys.executable, "-m", "venv", "--clear", str(directory)])
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run_pip([str(python), *install, *PACKAGES])
            (directory / "ready").touch()
    return str(python)


def run_pip(command: list[str]) -> None:
    """Run pip or venv. Raises `InstallError`."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise InstallError(f"{' '.join(command[:4])} …: {lines[-1]}")
