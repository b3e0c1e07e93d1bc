"""Reads and writes tests/benchmarks/budgets.json, whose changes a reviewer reads.

``modules``: {start: names of the modules of ours that it loads}, the same on every Python.
``limits``: {figure: the most it may be}, of figures that flicker; set by hand.
``builds``: {build of the interpreter: what was counted and loaded there}.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[3] / "tests" / "benchmarks" / "budgets.json"


def build() -> str:
    """What counts depend on: implementation, version, processor, compiler."""
    compiler = platform.python_compiler()
    implementation = platform.python_implementation()
    return f"{implementation} {platform.python_version()} {platform.machine()} {compiler}"


def read() -> dict[str, Any]:
    """The whole file."""
    content: dict[str, Any] = json.loads(PATH.read_text())
    return content


def write(content: dict[str, Any]) -> None:
    """Write it so that a change of one figure or module changes one line."""
    PATH.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
