"""``scripts/bench soak``: the forwarder for minutes at a high rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark import command
from benchmark.load import forwarder_soak

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run; 1 on a loss, a double, or growth."""
    parser = command.parser("soak", f"Soak test.\n\n{forwarder_soak.__doc__}")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N")
    parser.add_argument(
        "--rate", type=float, default=500.0, metavar="N", help="invocations a second at most"
    )
    parser.add_argument("--flush", default="", help="SERVERLESS_INSTRUMENT_FLUSH")
    options = parser.parse_args(arguments)
    environ = {"SERVERLESS_INSTRUMENT_FLUSH": options.flush} if options.flush else {}
    return forwarder_soak.soak(options.minutes, options.rate, environ)
