"""AppSync Events: handlers of what clients publish and subscribe to. Pure.

https://docs.aws.amazon.com/appsync/latest/eventapi/writing-event-handlers.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has an operation on a channel."""
    info = dictionary(dictionary(event).get("info"))
    return isinstance(info.get("operation"), str) and isinstance(info.get("channel"), dict)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The channel; its namespace is the template, as clients may create any channel."""
    info = dictionary(event.get("info"))
    attributes = {
        "messaging.system": "aws.appsync",
        "messaging.destination.name": text(dictionary(info.get("channel")).get("path")),
        "messaging.destination.template": text(
            dictionary(info.get("channelNamespace")).get("name")
        ),
    }
    headers = http_headers(dictionary(event.get("request")))
    return source.facts("aws:appsync:events", headers, trigger="pubsub", attributes=attributes)
