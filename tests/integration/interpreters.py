"""Other Pythons that this machine has, each with the runtime client and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from tests.integration.availability import missing
from tests.integration.emulator import ROOT

RUNTIME_CLIENT = "awslambdaric>=3"


def interpreter(version: str) -> str:
    """Path of a Python of `version`; "" where there is none that runs."""
    found = shutil.which(f"python{version}")
    candidates = [found] if found else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if os.access(pyenv, os.R_OK):
        candidates += [str(path) for path in pyenv.glob(f"{version}.*/bin/python")]
    for candidate in candidates:
        probe = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        completed = subprocess.run(probe, capture_output=True, text=True, check=False)
        if completed.stdout.strip() == version:
            return candidate
    return ""


def with_runtime_client(version: str) -> str:
    """Path of a Python of `version` that has awslambdaric, in an environment kept in .cache."""
    return with_packages(version, "awslambdaric", RUNTIME_CLIENT)


def with_packages(version: str, name: str, *packages: str) -> str:
    """Path of a Python of `version` with `packages`, kept in .cache under `name`."""
    base = interpreter(version)
    if not base:
        pytest.skip(f"there is no python{version} here")
    directory = ROOT / ".cache" / f"python-{version}-{name}"
    python, ready = str(directory / "bin" / "python"), directory / "ready"
    wanted = "\n".join(packages)
    with FileLock(f"{directory}.lock"):  # another worker may want it, too
        if not ready.exists() or ready.read_text() not in ("", wanted):
            make = [base, "-m", "venv", "--clear", str(directory)]
            install = [python, "-m", "pip", "install", "--quiet", *packages]
            for command in (make, install):
                completed = subprocess.run(command, capture_output=True, text=True, check=False)
                if completed.returncode:
                    missing(f"no {name} for python{version}: {completed.stderr.strip()}")
            ready.write_text(wanted)
    return python
