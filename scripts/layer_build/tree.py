"""Lays out /opt: which files the layer holds, and which it leaves behind."""

from __future__ import annotations

import fnmatch
import re
import shutil
import zipfile
from typing import TYPE_CHECKING

from layer_build.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PACKAGE = "serverless_instrument"

# Our own files that a function never runs: the local Lambda and its command line.
_NOT_OURS = ("local/*", "cli.py", "*/__pycache__/*", "__pycache__/*", "*.pyc")

# Files of the bundled wheels that no function can use.
_DEAD_WEIGHT = (
    "opentelemetry/instrumentation/bootstrap.py",  # the opentelemetry-bootstrap command: runs pip
    "opentelemetry/instrumentation/bootstrap_gen.py",
    "*.pyi",  # for type checkers
    "*/py.typed",
    "wrapt/*.c",  # source of the compiled variant
    # For tools that build and install packages; instrumentations parse requirements, no more.
    "packaging/dependency_groups.py",
    "packaging/direct_url.py",
    "packaging/licenses/*",
    "packaging/metadata.py",
    "packaging/pylock.py",
)

# What importlib.metadata reads of a distribution; opentelemetry finds its propagators, context and
# id generators by entry point.
_METADATA = ("METADATA", "entry_points.txt", "top_level.txt")


def add_wheels(vendor: Path, wheels: Iterable[Path]) -> None:
    """Unpack the wheels into `vendor`, less what is of no use there.

    Raises:
        BuildError: a wheel holds a compiled module, which would bind the layer to one platform.
    """
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith((".so", ".pyd")):
                    raise BuildError(f"{wheel.name} holds compiled {name}; pin a pure-Python wheel")
                if _belongs(name):
                    _write(vendor / name, _slimmed(name, archive.read(name)))


def add_package(python: Path, package: Path) -> None:
    """Copy our package into `python`, with just enough metadata to tell its version."""
    for source in sorted(package.rglob("*")):
        name = source.relative_to(package).as_posix()
        if source.is_file() and not any(fnmatch.fnmatch(name, pattern) for pattern in _NOT_OURS):
            target = python / PACKAGE / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)  # copies the mode: wrapper/exec is executable
    version = _version(package)
    _write(
        python / PACKAGE / "vendor" / f"{PACKAGE}-{version}.dist-info" / "METADATA",
        f"Metadata-Version: 2.1\nName: serverless-instrument\nVersion: {version}\n".encode(),
    )


def add_entry_points(opt: Path, package: Path, launcher: Path) -> None:
    """Put the exec wrapper and the extension's launcher where the layer's user names them."""
    for source, target in (
        (package / "wrapper" / "exec", opt / "serverless-instrument"),
        (launcher, opt / "extensions" / launcher.name),
    ):
        _write(target, source.read_bytes())
        target.chmod(0o755)


def _belongs(name: str) -> bool:
    directory, _, file = name.partition("/")
    if directory.endswith(".dist-info"):
        return file in _METADATA
    return not name.endswith("/") and not any(fnmatch.fnmatch(name, p) for p in _DEAD_WEIGHT)


def _slimmed(name: str, content: bytes) -> bytes:
    """Metadata without the long description that follows its headers."""
    if name.endswith(".dist-info/METADATA"):
        return content.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"
    return content


def _version(package: Path) -> str:
    found = re.search(r'^__version__ = "(.+)"$', (package / "wire.py").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f'{package}/wire.py has no line __version__ = "…"')
    return found[1]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
