"""Alexa: skills, and smart home skills of payload versions 2 and 3.

https://developer.amazon.com/docs/custom-skills/request-and-response-json-reference.html
https://developer.amazon.com/docs/device-apis/message-guide.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A typed request in the context of a device, or a directive with its namespace."""
    if not isinstance(event, dict):
        return False
    header = dictionary(dictionary(event.get("directive")).get("header"))
    if isinstance(header.get("namespace"), str):
        return True
    request = dictionary(event.get("request"))
    return isinstance(request.get("type"), str) and "System" in dictionary(event.get("context"))


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A skill or a device; who speaks and what they said is not recorded."""
    return source.facts("aws:alexa")
