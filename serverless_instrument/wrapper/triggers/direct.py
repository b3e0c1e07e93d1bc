"""A direct invocation, and the fallback for events that no other trigger claims."""

from __future__ import annotations

from serverless_instrument.wrapper.triggers.base import Facts, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.triggers.base import Json


def infer(event: object) -> bool:  # noqa: ARG001 - the registry asks every trigger the same way
    """Claims nothing of its own: the registry falls back to it."""
    return False


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as above
    """Nothing is known but that the function was invoked."""
    return Facts(None, "other", {}, {})


def outcome(response: object) -> Outcome:  # noqa: ARG001 - as above
    """Any return value is a success."""
    return Outcome()
