"""Facts of event sources that no semantic convention describes. Pure."""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import Facts, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# No semantic convention has an attribute for it. The values are like `eventSource` in records.
EVENT_SOURCE = "aws.lambda.event_source"


def facts(
    event_source: str,
    carrier: Mapping[str, str] | None = None,
    *,
    trigger: str = "other",
    name: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Facts:
    """The facts of an event of `event_source`, like ``aws:cognito``.

    Attributes that are "" are left out.
    """
    found: dict[str, object] = {EVENT_SOURCE: event_source}
    found.update({key: value for key, value in (attributes or {}).items() if value != ""})
    return Facts(name, trigger, found, carrier or {})


def outcome(response: object) -> Outcome:  # noqa: ARG001 - the signature of a trigger
    """Any return value is a success."""
    return Outcome()
