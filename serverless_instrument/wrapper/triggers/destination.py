"""Lambda destinations: what became of an asynchronous invocation.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """An invoked function and its payload; ``requestContext`` is no HTTP request's."""
    if not isinstance(event, dict) or "requestPayload" not in event:
        return False
    context = dictionary(event.get("requestContext"))
    return isinstance(context.get("functionArn"), str) and isinstance(context.get("condition"), str)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The invocation that the record is of; its caller's trace goes on here."""
    carrier = payload.carrier(event.get("requestPayload"))
    return source.facts("aws:lambda", carrier)
