"""EventBridge: events of AWS services and of applications, by a rule. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import s3_notifications, source
from serverless_instrument.wrapper.events.base import Facts, text
from serverless_instrument.wrapper.events.message_carriers import event_payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

outcome = source.outcome
_TIMERS = ("aws.events", "aws.scheduler")


def infer(event: object) -> bool:
    """Whether it is an event in the bus's envelope, and no timer's."""
    if not isinstance(event, dict) or not isinstance(event.get("detail-type"), str):
        return False
    if not isinstance(event.get("source"), str) or "detail" not in event:
        return False
    return not (event["detail-type"] == "Scheduled Event" and event["source"] in _TIMERS)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A single event, whose publisher is the parent; the bus's name is not in it."""
    attributes: dict[str, object] = {
        "messaging.system": "aws.eventbridge",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "aws.eventbridge.source": text(event.get("source")),
        "aws.eventbridge.detail_type": text(event.get("detail-type")),
    }
    if text(event.get("id")):
        attributes["messaging.message.id"] = event["id"]
    attributes.update(s3_notifications.eventbridge_attributes(event))
    detail = {"detail": event.get("detail")}  # the envelope's own keys are AWS's
    return Facts(None, "pubsub", attributes, event_payload(detail))
