"""Each rival from PyPI in a directory of its own, as its layer lies at /opt; kept in .cache."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

_HERE = Path(__file__).parent
_LAUNCH = _HERE / "launch"
PINS: dict[str, list[str]] = json.loads((_HERE / "pins.json").read_text())
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]


class InstallError(Exception):
    """pip could not install a rival; the message is pip's last line."""


def runtime_python(cache: Path) -> str:
    """Path of a Python that has what the managed runtime has: awslambdaric, boto3; and requests.

    Raises:
        InstallError: it could not be made.
    """
    directory = cache / f"runtime-{_key('runtime')}"
    python = directory / "bin" / "python"
    if not (directory / "ready").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(directory)])
        _run([str(python), *[word for word in _PIP if word != "--no-deps"], *PINS["runtime"]])
        (directory / "ready").touch()
    return str(python)


def layer(name: str, cache: Path) -> Path:
    """The directory that is /opt with the rival `name`: its packages, compiled, and our launchers.

    Raises:
        InstallError: pip could not install it.
    """
    opt = cache / f"{name}-{_key(name)}"
    if not (opt / "ready").exists():
        shutil.rmtree(opt, ignore_errors=True)
        _run([sys.executable, *_PIP, "--target", str(opt / "python"), *PINS[name]])
        (opt / "ready").touch()
    for path in _LAUNCH.iterdir():
        if path.is_file():
            shutil.copy(path, opt if path.name.endswith("-exec") else opt / "python")
    compileall.compile_dir(opt / "python", quiet=2, workers=1)
    return opt


def without_bytecode(opt: Path, target: Path) -> Path:
    """A copy of `opt` at `target` that has no compiled modules."""
    if not target.exists():
        # Ours are in serverless_instrument/bundles/cpython-3…/.
        ignored = shutil.ignore_patterns("__pycache__", "cpython-3*")
        shutil.copytree(opt, target, ignore=ignored, copy_function=os.link, symlinks=True)
    return target


def zipped_bytes(opt: Path, cache: Path) -> int:
    """Size of a zip of `opt`, deflated, compiled modules left out: a layer's least."""
    path = cache / "size.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(opt.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(opt))
    size_bytes = path.stat().st_size
    path.unlink()
    return size_bytes


def version(name: str) -> str:
    """``"package version"`` of what `name` is chiefly about."""
    chief = {
        "opentelemetry": "opentelemetry-distro",
        "adot": "aws-opentelemetry-distro",
        "datadog": "datadog-lambda",
        "serverless": "serverless-aws-lambda-sdk",
        "lumigo": "lumigo-tracer",
        "sentry": "sentry-sdk",
        "powertools": "aws-lambda-powertools",
    }[name]
    return next(pin.replace("==", " ") for pin in PINS[name] if pin.startswith(f"{chief}=="))


def _key(name: str) -> str:
    text = f"{sys.version_info[:2]} {PINS[name]}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _run(command: list[str]) -> None:
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        lines = completed.stderr.strip().splitlines() or ["no message"]
        raise InstallError(lines[-1])
