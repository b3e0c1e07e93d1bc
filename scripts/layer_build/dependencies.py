"""The packages the layer bundles: exactly the wheels layer/requirements.txt pins by hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from layer_build.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

# Any Python from 3.10 on, any machine: pip refuses a wheel that holds compiled code.
_PURE = ["--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"]


def wheels(requirements: Path, cache: Path) -> list[Path]:
    """The pinned wheels, in the order of their names; downloaded once per state of the lock file.

    Raises:
        BuildError: pip could not fetch one, or its hash differs from the pinned one.
    """
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    directory = cache / f"layer-wheels-{key}"
    if not directory.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        partial = tempfile.mkdtemp(dir=cache, prefix="partial-")
        try:
            _download(requirements, partial)
            # One rename, so that a build interrupted here leaves no half-filled cache behind.
            os.rename(partial, directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return sorted(directory.glob("*.whl"))


def _download(requirements: Path, directory: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--require-hashes", "--python-version", "3.10", *_PURE]
    command += ["--requirement", str(requirements), "--dest", directory]
    if subprocess.run(command, check=False).returncode:
        raise BuildError(
            f"pip could not download what {requirements} pins (its message is above); "
            "check the network, or re-pin with the hashes it reports"
        )
