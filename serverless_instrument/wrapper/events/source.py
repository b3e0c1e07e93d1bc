"""Sources that no semantic convention describes: a span with the function's name and their own."""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import Facts, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# No convention has an attribute for it; the values are in the style of `eventSource` in records.
EVENT_SOURCE = "aws.lambda.event_source"


def facts(
    event_source: str,
    carrier: Mapping[str, str] | None = None,
    *,
    trigger: str = "other",
    name: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Facts:
    """An event of `event_source`, like ``aws:cognito``; empty `attributes` are left out."""
    found: dict[str, object] = {EVENT_SOURCE: event_source}
    found.update({key: value for key, value in (attributes or {}).items() if value != ""})
    return Facts(name, trigger, found, carrier or {})


def outcome(response: object) -> Outcome:  # noqa: ARG001 - a trigger's functions are called alike
    """Any return value is a success."""
    return Outcome()
