"""CloudWatch Logs subscriptions.

The data is gzip in base64 and stays packed: nothing in it is known that a span would tell.
https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A packed batch of log events."""
    logs = event.get("awslogs") if isinstance(event, dict) else None
    return isinstance(logs, dict) and isinstance(logs.get("data"), str)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """That it is one."""
    return source.facts("aws:logs")
