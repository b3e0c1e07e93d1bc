"""Amazon Cognito: user pool triggers, and an identity pool's Cognito Events. Pure.

https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-events.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has a user pool's trigger source, or an identity pool's data set."""
    if not isinstance(event, dict):
        return False
    if isinstance(event.get("triggerSource"), str):
        return isinstance(event.get("userPoolId"), str)
    return isinstance(event.get("identityPoolId"), str) and "datasetName" in event


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A step of a sign-up or sign-in; the user is not recorded.

    An application's ``ClientMetadata`` may carry trace context.
    """
    metadata = dictionary(event.get("request")).get("clientMetadata")
    return source.facts("aws:cognito", payload.carrier(metadata))
