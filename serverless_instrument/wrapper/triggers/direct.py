"""A direct invocation, and the fallback for events that no other trigger claims."""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload
from serverless_instrument.wrapper.events.base import Facts, Outcome, dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json


def infer(event: object) -> bool:  # noqa: ARG001 - the registry asks every trigger the same way
    """Claims nothing of its own: the registry falls back to it."""
    return False


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as above
    """Nothing is known but that the function was invoked, and perhaps by whom.

    Callers put trace context at the top of their payload, or into ``headers`` as
    opentelemetry-python-contrib's instrumentation of Lambda reads it.
    """
    carrier = payload.carrier(event) or payload.carrier(dictionary(event).get("headers"))
    return Facts(None, "other", {}, carrier)


def outcome(response: object) -> Outcome:  # noqa: ARG001 - as above
    """Any return value is a success."""
    return Outcome()
