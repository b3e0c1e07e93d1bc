"""The functions whose invocations are counted, and the events that make them work more or less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENTS = Path(__file__).resolve().parents[2] / "tests" / "events"

_HTTP = """\
def handler(event, context):
    return {"statusCode": 200, "body": "hello"}
"""

_SPANS = """\
from opentelemetry import trace

tracer = trace.get_tracer("budget")


def handler(event, context):
    for number in range(event["count"]):
        with tracer.start_as_current_span("work", attributes={"number": number}) as span:
            span.set_attribute("text", "some text")
            span.set_attribute("ratio", 0.5)
"""

_LOGS = """\
import logging

logger = logging.getLogger("budget")
logger.setLevel(logging.INFO)


def handler(event, context):
    for number in range(event["count"]):
        logger.info("item %d of the order is in stock", number)
"""


class Repeated(NamedTuple):
    """A function and two series of events, the second doing `more` times more of the thing."""

    source: str
    fewer: Sequence[bytes]
    many: Sequence[bytes]
    more: int


def _http() -> Repeated:
    event = (_EVENTS / "http_api_v2.json").read_bytes()
    # The first invocation loads the trigger; what is counted is a warm one.
    return Repeated(_HTTP, [event] * 2, [event] * 12, 10)


def _counted(source: str) -> Repeated:
    fewer, many = (json.dumps({"count": count}).encode() for count in (10, 60))
    return Repeated(source, [fewer, fewer], [fewer, many], 50)


def repeated() -> dict[str, Repeated]:
    """{what is counted: the function and events to count it with}."""
    return {
        "invocation_http": _http(),
        "span": _counted(_SPANS),
        "log_line": _counted(_LOGS),
    }
