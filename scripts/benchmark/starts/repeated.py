"""What an invocation repeats, and the events that make a function do more or less of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

HTTP_EVENT = Path(__file__).resolve().parents[3] / "tests" / "events" / "http_api_v2.json"


class Repeated(NamedTuple):
    """A function and two series of events, the second doing `more` times more of the thing."""

    function: str
    fewer: Sequence[bytes]
    many: Sequence[bytes]
    more: int


def _http() -> Repeated:
    event = HTTP_EVENT.read_bytes()
    # The first invocation loads the trigger; what is counted is a warm one.
    return Repeated("http_response", [event] * 2, [event] * 12, 10)


def _counted(function: str) -> Repeated:
    fewer, many = (json.dumps({"count": count}).encode() for count in (10, 60))
    return Repeated(function, [fewer, fewer], [fewer, many], 50)


def repeated() -> dict[str, Repeated]:
    """{what is counted: the function and events to count it with}."""
    return {
        "invocation_http": _http(),
        "span": _counted("counted_spans"),
        "log_line": _counted("counted_logs"),
    }
