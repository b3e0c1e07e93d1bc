"""Functions with packages of their own, as ``pip install --target`` puts them there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from tests.integration.availability import missing
from tests.integration.emulator import FUNCTIONS, ROOT

_CACHE = ROOT / ".cache" / "conflicts"


def function_with(python: str, task: Path, *requirements: str) -> Path:
    """The function, in the directory `task`, with what pip installs for `requirements`.

    The packages are kept in .cache, for each Python.
    """
    if not requirements:
        shutil.copytree(FUNCTIONS / "conflicts", task)
        return task

    name = "-".join(
        ["".join(c if c.isalnum() or c == "." else "_" for c in text) for text in requirements]
    )
    kept = _CACHE / f"{Path(python).parents[1].name}-{name}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):  # another worker may want it, too
        if not (kept / "ready").exists():
            _install(python, kept, requirements)
    shutil.copytree(kept / "packages", task)
    shutil.copytree(FUNCTIONS / "conflicts", task, dirs_exist_ok=True)
    return task


def _install(python: str, kept: Path, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--no-compile", "--target", str(kept / "packages"), *requirements]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        missing(f"pip could not install {' '.join(requirements)}: {completed.stderr.strip()}")
    (kept / "ready").touch()
