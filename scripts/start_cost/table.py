"""The figures as a Markdown table, and as data."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Row(NamedTuple):
    """One comparison.

    `budget` bounds `ours - bare` when `relative`, else `ours`; None where there is none. A `stable`
    figure is the same in every run, so that exceeding its budget is a failure and not weather.
    """

    what: str
    unit: str
    bare: float
    ours: float
    budget: float | None = None
    relative: bool = False
    stable: bool = False

    @property
    def difference(self) -> float:
        """What ours costs over the bare one."""
        return self.ours - self.bare

    @property
    def is_over(self) -> bool:
        """Is the budget exceeded?"""
        judged = self.difference if self.relative else self.ours
        return self.budget is not None and judged > self.budget


def markdown(rows: Iterable[Row], machine: dict[str, str]) -> str:
    """The table, under one line that says where it was measured."""
    lines = [
        ", ".join(f"{name} {value}" for name, value in machine.items()),
        "",
        "| | unit | bare | ours | difference | budget | |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        sign = "+" if row.relative else ""
        budget = "" if row.budget is None else f"{sign}{row.budget:.3g}"
        verdict = "" if row.budget is None else "**over**" if row.is_over else "ok"
        lines.append(
            f"| {row.what} | {row.unit} | {row.bare:.1f} | {row.ours:.1f} "
            f"| {row.difference:+.1f} | {budget} | {verdict} |"
        )
    return "\n".join(lines)


def data(rows: Iterable[Row], machine: dict[str, str]) -> dict[str, Any]:
    """The same, ready for json.dump."""
    return {
        "machine": machine,
        "rows": [
            {**row._asdict(), "difference": row.difference, "over": row.is_over} for row in rows
        ],
    }


def machine() -> dict[str, str]:
    """What the figures depend on: processor, kernel, Python, runtime client."""
    return {
        "Python": platform.python_version(),
        "awslambdaric": importlib.metadata.version("awslambdaric"),
        "kernel": platform.release(),
        "processor": _processor(),
        "machine": platform.machine(),
        "implementation": sys.implementation.name,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
