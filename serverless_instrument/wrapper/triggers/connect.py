"""Amazon Connect: the Lambda block of a flow.

https://docs.aws.amazon.com/connect/latest/adminguide/connect-lambda-functions.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A contact in a flow."""
    return isinstance(event, dict) and isinstance(
        dictionary(event.get("Details")).get("ContactData"), dict
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A contact, whose data are not recorded; the flow's parameters may carry trace context."""
    parameters = dictionary(event.get("Details")).get("Parameters")
    return source.facts("aws:connect", payload.carrier(parameters))
