"""Amazon Lex, V1 and V2.

https://docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html
https://docs.aws.amazon.com/lex/latest/dg/lambda-input-response-format.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A bot, and why it calls."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("bot"), dict)
        and isinstance(event.get("invocationSource"), str)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A turn of a conversation, not recorded; request attributes may carry trace context."""
    return source.facts("aws:lex", payload.carrier(event.get("requestAttributes")))
