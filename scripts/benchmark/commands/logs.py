"""``scripts/bench logs``: what a logging call and a print cost over bare.

Each runs in a process of the runtime client's, with output to a file; the two kinds in turns.
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING

from benchmark import command, markdown_table
from tests.wrapper.client import run

if TYPE_CHECKING:
    from collections.abc import Sequence

_TITLES = ("call", "bare us", "ours us", "over, us", "over, CPU us")
_SOURCE = """
import json, logging, sys, time
log = logging.getLogger("shop")
COUNT = 2000

def of(call):
    taken = []
    for _ in range(50):
        call()
    for _ in range(COUNT):
        start_ns = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - start_ns)
    cpu_ns = time.process_time_ns()
    for _ in range(COUNT):
        call()
    cpu_ns = time.process_time_ns() - cpu_ns
    return sorted(taken)[COUNT // 2] / 1000, cpu_ns / COUNT / 1000

def handler(event, context):
    logging.getLogger().setLevel("INFO")
    figures = {
        "logging": of(lambda: log.info("order %s of %s", 7, "shop")),
        "logging, extra": of(lambda: log.info("order", extra={"order_id": 7, "shop": "main"})),
        "print": of(lambda: print("order 7 of shop")),
        "print(a, b)": of(lambda: print("order", 7)),
        "print, JSON": of(lambda: print('{"level": "INFO", "message": "order", "order_id": 7}')),
    }
    print("FIGURES" + json.dumps(figures))
"""


def _figures(*, instrumented: bool) -> dict[str, list[float]]:
    written = run(_SOURCE, instrumented=instrumented)
    line = next(line for line in written.stdout.splitlines() if line.startswith(b"FIGURES"))
    found: dict[str, list[float]] = json.loads(line[7:])
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table."""
    parser = command.parser("logs", "What a logging call and a print cost over bare.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="processes of each kind")
    count = parser.parse_args(arguments).rounds
    rounds = [(_figures(instrumented=False), _figures(instrumented=True)) for _ in range(count)]
    rows = []
    for name in rounds[0][0]:
        bare = statistics.median(each[name][0] for each, _ in rounds)
        ours = statistics.median(each[name][0] for _, each in rounds)
        cpu = statistics.median(mine[name][1] - each[name][1] for each, mine in rounds)
        rows.append([name, *(f"{value_us:.1f}" for value_us in (bare, ours, ours - bare, cpu))])
    print("\n".join(markdown_table.lines(_TITLES, rows)))
    return 0
