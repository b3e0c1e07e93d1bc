"""CloudWatch alarms with the function as their action.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """An alarm with its state."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("alarmArn"), str)
        and isinstance(event.get("alarmData"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The alarm that changed its state."""
    return source.facts("aws:cloudwatch")
