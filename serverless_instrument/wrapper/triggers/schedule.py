"""EventBridge timers: scheduled rules, and EventBridge Scheduler without an input of its own. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it is a scheduled event of the bus or of Scheduler."""
    return (
        isinstance(event, dict)
        and event.get("detail-type") == "Scheduled Event"
        and event.get("source") in ("aws.events", "aws.scheduler")
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The time when it was due; the schedule's expression is not in the event."""
    event_source = text(event.get("source")).replace(".", ":")
    attributes = {"faas.time": text(event.get("time"))}
    return source.facts(event_source, trigger="timer", attributes=attributes)
