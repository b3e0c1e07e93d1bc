"""AWS IoT: custom authorizers, and the button.

A rule's action sends whatever its SQL selects, which has no shape to know it by.
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
    """A connection to authorize, or a click."""
    if not isinstance(event, dict):
        return False
    if isinstance(event.get("protocolData"), dict):
        return isinstance(event.get("protocols"), list)
    return isinstance(event.get("clickType"), str) and isinstance(event.get("serialNumber"), str)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A device; where it connects over HTTP or WebSocket, its headers carry trace context."""
    headers = dictionary(dictionary(event.get("protocolData")).get("http")).get("headers")
    lower = {name.lower(): value for name, value in islice(dictionary(headers).items(), 256)}
    return source.facts("aws:iot", payload.carrier(lower))
