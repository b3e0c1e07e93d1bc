"""AWS Config custom rules: evaluations of a change, and periodic ones. Pure.

https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

# A scheduled notification has five short members; a longer text is not decoded.
_SCHEDULED_CHARACTERS = 4096

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has a rule's name and the event that started the evaluation."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("invokingEvent"), str)
        and isinstance(event.get("configRuleName"), str)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """An evaluation; a periodic one has the trigger timer.

    ``invokingEvent`` is JSON in a string, which is long where it holds a configuration item.
    """
    invoking = text(event.get("invokingEvent"))
    if len(invoking) <= _SCHEDULED_CHARACTERS and '"ScheduledNotification"' in invoking:
        notification = _decoded(invoking)
        if notification.get("messageType") == "ScheduledNotification":
            attributes = {"faas.time": text(notification.get("notificationCreationTime"))}
            return source.facts("aws:config", trigger="timer", attributes=attributes)
    return source.facts("aws:config")


def _decoded(document: str) -> Json:
    from serverless_instrument.wrapper.records.primitives import json_loads

    try:
        return dictionary(json_loads(document))
    except (ValueError, RecursionError):
        return {}
