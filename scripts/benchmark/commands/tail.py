"""``scripts/bench tail``: what a flush strategy adds to an invocation."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmark import command, markdown_table
from benchmark.load import end_delay
from serverless_instrument.forwarder.delivery.flush_strategy import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEASURED = (("end", 10), ("adaptive", 10), ("adaptive", 50))
_TITLES = ("", "rate/s", "mean", "median", "p99")


def main(arguments: Sequence[str]) -> int:
    """Print what is computed, then what is measured."""
    parser = command.parser("tail", f"Flush strategies.\n\n{end_delay.__doc__}")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="measured invocations")
    count = parser.parse_args(arguments).count
    backend_ms = end_delay.BACKEND_S * 1000
    print(f"computed, backend {backend_ms:.0f} ms: mean added ms (requests per invocation)\n")
    computed = [
        [f"{rate:g}", *(_cell(*end_delay.simulated_ms(kind, rate)) for kind in KINDS)]
        for rate in end_delay.RATES_PER_MINUTE
    ]
    print("\n".join(markdown_table.lines(["per minute", *KINDS], computed)))
    print(f"\nmeasured, backend on loopback, {count} invocations: added ms\n")
    rows = [["bare", "10", *figures(end_delay.floor_ms(count))]]
    for kind, rate in _MEASURED:
        rows.append([kind, f"{rate}", *figures(end_delay.measured_ms(kind, rate, count))])
    print("\n".join(markdown_table.lines(_TITLES, rows)))
    return 0


def figures(took_ms: list[float]) -> list[str]:
    """Mean, median and 99th percentile as cells of a table."""
    p99_ms = sorted(took_ms)[int(len(took_ms) * 0.99)]
    found = statistics.mean(took_ms), statistics.median(took_ms), p99_ms
    return [f"{value_ms:.2f}" for value_ms in found]


def _cell(added_ms: float, requests: float) -> str:
    return f"{added_ms:.2f} ({requests:.3f})"
