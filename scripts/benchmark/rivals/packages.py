"""Each rival from PyPI in a directory of its own, as its layer lies at /opt; kept in .cache."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

from benchmark.sandbox.managed_python import InstallError, run_pip

__all__ = ["PINS", "InstallError", "layer", "version", "without_bytecode", "zipped_bytes"]

_HERE = Path(__file__).parent
_LAUNCH = _HERE / "launch"
PINS: dict[str, list[str]] = json.loads((_HERE / "pins.json").read_text())
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]


def layer(name: str, cache: Path) -> Path:
    """The directory that is /opt with the rival `name`: its packages, compiled, and our launchers.

    Raises:
        InstallError: pip could not install it.
    """
    opt = cache / f"{name}-{_key(name)}"
    if not (opt / "ready").exists():
        shutil.rmtree(opt, ignore_errors=True)
        run_pip([sys.executable, *_PIP, "--target", str(opt / "python"), *PINS[name]])
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
