"""Which trigger may claim an event of records, of messages or of EventBridge."""

from __future__ import annotations

NAMES: tuple[str, ...] = ()


def candidate(event: object) -> str:  # noqa: ARG001 - none is known yet
    """The name of the trigger to ask, "" for none."""
    return ""
