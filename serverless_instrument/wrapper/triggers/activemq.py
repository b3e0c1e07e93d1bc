"""Amazon MQ for ActiveMQ. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.message_carriers import amqp_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message

outcome = batches.outcome
_SOURCES = ("aws:amq", "aws:mq")


def infer(event: object) -> bool:
    """Whether it has messages of a broker, or is an array of them from EventBridge Pipes."""
    if isinstance(event, list):
        return any(batches.is_batch_of(event, source) for source in _SOURCES)
    return (
        isinstance(event, dict)
        and event.get("eventSource") in _SOURCES
        and isinstance(event.get("messages"), list)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The queue or topic."""
    messages = _messages_of(event)
    names = {
        text(dictionary(message.get("destination")).get("physicalName"))
        for message in batches.dictionaries(messages)
    } - {""}
    only = dictionary(messages[0]) if len(messages) == 1 else {}
    return batches.facts(
        "activemq",
        names,
        len(messages),
        _messages(messages),
        {
            "messaging.message.id": text(only.get("messageID")),
            "messaging.message.conversation_id": text(only.get("correlationId")),
        },
    )


def _messages_of(event: object) -> list[object]:
    messages = event.get("messages") if isinstance(event, dict) else event
    return messages if isinstance(messages, list) else []


def _messages(messages: list[object]) -> Iterator[Message]:
    for message in batches.dictionaries(messages):
        yield text(message.get("messageID")), "", amqp_headers(message.get("properties"))
