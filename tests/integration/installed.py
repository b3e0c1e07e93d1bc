"""A function that carries the package itself, as ``pip install --target`` puts it there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from layer_build import dependencies

from tests.integration.emulator import FUNCTIONS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

FUNCTION = FUNCTIONS / "installed"


def install(task: Path) -> Path:
    """Install the package and what it needs into `task`, beside the function's own files.

    The wheels are the layer's: no network once the layer has been built here.
    """
    wheels = dependencies.wheels(ROOT / "layer" / "requirements.txt", ROOT / ".cache")
    shutil.copytree(FUNCTION, task)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--no-index", "--find-links", str(wheels[0].parent), "--no-build-isolation"]
    command += ["--no-compile", "--target", str(task), str(ROOT)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert (task / "serverless_instrument" / "wrapper" / "exec").is_file()
    return task
