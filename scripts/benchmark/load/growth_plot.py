"""The plot of how cost grows: docs/growth.svg, and the figures behind it, docs/growth.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark import plot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.load.growth_series import Points

DATA = "growth.json"


def write(docs: Path, cpu_ms: Mapping[str, Points]) -> None:
    """Draw {what grows: (how many, CPU ms)} into `docs`."""
    picture = plot.lines(
        "Cost grows in proportion",
        "how many",
        "CPU ms of runtime and forwarder",
        [plot.Line(name, points) for name, points in cpu_ms.items()],
    )
    (docs / "growth.svg").write_text(picture)
