"""A direct invocation, and the fallback for events that no other trigger claims. Pure."""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload
from serverless_instrument.wrapper.events.base import Facts, Outcome, dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json


def infer(event: object) -> bool:  # noqa: ARG001 - the registry asks every trigger the same way
    """Claims no event; it is the registry's fallback."""
    return False


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as above
    """No attributes; the caller's trace context, if the payload carries it.

    Callers put it at the top of their payload, or into ``headers``, where
    opentelemetry-python-contrib's instrumentation of Lambda reads it.
    """
    carrier = payload.carrier(event) or payload.carrier(dictionary(event).get("headers"))
    return Facts(None, "other", {}, carrier)


def outcome(response: object) -> Outcome:  # noqa: ARG001 - as above
    """Any return value is a success."""
    return Outcome()
