"""Starts and ends the processes that are measured; lays out the layer and the function for them."""

from __future__ import annotations

import contextlib
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import NamedTuple

_making = threading.Lock()
_FUNCTIONS = Path(__file__).resolve().parents[1] / "functions"


class Subject(NamedTuple):
    """A command line, the environment it runs in, and the interpreter in the command line."""

    name: str
    command: list[str]
    environ: dict[str, str]
    python: str = sys.executable


def function_directory(name: str, parent: Path) -> Path:
    """The directory ``parent/name`` with functions/`name`.py as its app.py, compiled."""
    directory = parent / name
    with _making:
        if not directory.exists():
            directory.mkdir(parents=True)
            shutil.copy(_FUNCTIONS / f"{name}.py", directory / "app.py")
            # Else the first that starts compiles it, dearer than most of what is compared.
            py_compile.compile(str(directory / "app.py"), doraise=True)
    return directory


def unpack(layer: Path, opt: Path) -> None:
    """Unpack the zip `layer` at `opt`, modes included; `ZipFile.extractall` forgets them."""
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            path = archive.extract(entry, opt)
            if mode := entry.external_attr >> 16 & 0o777:
                os.chmod(path, mode)


def start(
    subject: Subject, output: Path, prefix: list[str] | None = None
) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, both its output streams going to the file `output`.

    `prefix` (such as valgrind's command line) goes before the interpreter: behind our wrapper,
    which is a shell, in front of everything else.
    """
    command = list(subject.command)
    position = command.index(subject.python) if subject.python in command else 0
    command[position:position] = prefix or []
    with output.open("wb") as file:
        return subprocess.Popen(
            command,
            env=subject.environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
