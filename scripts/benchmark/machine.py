"""What figures depend on: processor, kernel, Python, runtime client."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path


def machine() -> dict[str, str]:
    """{what: its name or version}, of the machine this runs on."""
    return {
        "Python": platform.python_version(),
        "awslambdaric": importlib.metadata.version("awslambdaric"),
        "kernel": platform.release(),
        "processor": _processor(),
        "machine": platform.machine(),
        "implementation": sys.implementation.name,
    }


def one_line(machine: dict[str, str]) -> str:
    """As the reports begin."""
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
