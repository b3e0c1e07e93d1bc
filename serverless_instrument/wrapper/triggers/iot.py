"""AWS IoT: custom authorizers, and the button. Pure.

A rule's action sends whatever its SQL selects, which has no recognizable shape.
https://docs.aws.amazon.com/iot/latest/developerguide/custom-auth-lambda.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-lambda-rule.html
"""

from __future__ import annotations

from itertools import islice

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it is a connection to authorize, or a click of the button."""
    if not isinstance(event, dict):
        return False
    if isinstance(event.get("protocolData"), dict):
        return isinstance(event.get("protocols"), list)
    return isinstance(event.get("clickType"), str) and isinstance(event.get("serialNumber"), str)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A device; over HTTP or WebSocket its headers may carry trace context."""
    headers = dictionary(dictionary(event.get("protocolData")).get("http")).get("headers")
    lower = {name.lower(): value for name, value in islice(dictionary(headers).items(), 256)}
    return source.facts("aws:iot", payload.carrier(lower))
