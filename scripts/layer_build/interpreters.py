"""Finds the Pythons whose bytecode the layer carries.

Bytecode is valid for one minor version only, so each version's own interpreter must compile it.
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from layer_build.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Lambda's managed Python runtimes that awslambdaric 4 serves:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

_PROBE = (
    "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.executable)"
)


def running() -> str:
    """Version of the interpreter that runs this, such as ``3.11``."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def find(version: str, environ: Mapping[str, str]) -> str | None:
    """Path of a CPython of that minor version, None where there is none.

    Looks at the running one, at PATH, and at where pyenv and uv keep theirs: a pyenv shim on PATH
    answers only for the versions that are active.
    """
    for candidate in _candidates(version, environ):
        path = _probe(candidate, version)
        if path is not None:
            return path
    return None


def chosen(asked: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """({version: interpreter} to compile for, versions not found) of a ``--python`` argument.

    `asked` is a supported version or ``all``.

    Raises:
        BuildError: the version is not supported, or not found though asked for by number.
    """
    if asked != "all" and asked not in SUPPORTED:
        raise BuildError(f"--python {asked}: choose one of {', '.join(SUPPORTED)}, or all", 2)
    versions = SUPPORTED if asked == "all" else (asked,)
    found = {version: find(version, environ) for version in versions}
    missing = [version for version, path in found.items() if path is None]
    if missing and asked != "all":
        raise BuildError(
            f"--python {asked}: python{asked} not found; install it, put it on PATH, or choose all",
            2,
        )
    return {version: path for version, path in found.items() if path is not None}, missing


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[str]:
    if version == running():
        yield sys.executable
    directories = environ.get("PATH", "").split(os.pathsep)
    for directory in directories:
        yield os.path.join(directory, f"python{version}")
    home = environ.get("HOME", "")
    roots = [environ.get("PYENV_ROOT", ""), os.path.join(home, ".pyenv")]
    roots += [
        os.path.dirname(directory) for directory in directories if directory.endswith("/shims")
    ]
    for root in filter(None, roots):
        yield from sorted(glob.glob(f"{root}/versions/{version}.*/bin/python{version}"))
    yield from sorted(
        glob.glob(f"{home}/.local/share/uv/python/cpython-{version}.*/bin/python{version}")
    )


def _probe(path: str, version: str) -> str | None:
    if not os.access(path, os.X_OK):
        return None
    answer = subprocess.run(
        [path, "-I", "-S", "-c", _PROBE], capture_output=True, text=True, check=False
    )
    name, _, rest = answer.stdout.strip().partition(" ")
    found_version, _, executable = rest.partition(" ")
    return executable if (name, found_version) == ("cpython", version) else None
