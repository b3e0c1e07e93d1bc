"""``scripts/bench plots``: draws the pictures of docs/ again from the figures recorded there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import command
from benchmark.load import growth_plot
from benchmark.rivals import contenders, plots

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Draw; 2 where there are no figures."""
    parser = command.parser("plots", "Draw the pictures of docs/ again from the figures there.")
    parser.add_argument(
        "--docs",
        type=Path,
        default=command.DOCS,
        metavar="DIRECTORY",
        help="where benchmark.json and growth.json are (default: docs)",
    )
    docs: Path = parser.parse_args(arguments).docs
    try:
        recorded = json.loads((docs / "benchmark.json").read_text())
        growth = json.loads((docs / growth_plot.DATA).read_text())
    except OSError as error:
        parser.error(f"--docs {docs}: {error}; scripts/bench rivals and growth write them")
    results = plots.from_recorded(recorded)
    names = [one.name for one in contenders.CONTENDERS if one.name in results["hello"]]
    plots.write(docs, results, names)
    growth_plot.write(docs, growth["cpu_ms"])
    return 0
