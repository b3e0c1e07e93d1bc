"""Amazon MQ for RabbitMQ. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html
https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/
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


def infer(event: object) -> bool:
    """Whether it has messages by queue, or is an array of them from EventBridge Pipes."""
    if isinstance(event, list):
        return batches.is_batch_of(event, "aws:rmq")
    return (
        isinstance(event, dict)
        and event.get("eventSource") == "aws:rmq"
        and isinstance(event.get("rmqMessagesByQueue"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The queue."""
    messages = _messages_of(event)
    by_queue = dictionary(dictionary(event).get("rmqMessagesByQueue"))
    queues = {name.partition("::")[0] for name in by_queue}  # QUEUE::VIRTUAL-HOST
    only = dictionary(messages[0]) if len(messages) == 1 else {}
    properties = dictionary(only.get("basicProperties"))
    return batches.facts(
        "rabbitmq",
        queues - {""},
        len(messages),
        _messages(messages),
        {
            "messaging.message.id": text(properties.get("messageId")),
            "messaging.message.conversation_id": text(properties.get("correlationId")),
        },
    )


def _messages_of(event: object) -> list[object]:
    if isinstance(event, list):
        return event
    lists = dictionary(dictionary(event).get("rmqMessagesByQueue")).values()
    return [message for messages in lists if isinstance(messages, list) for message in messages]


def _messages(messages: list[object]) -> Iterator[Message]:
    for message in batches.dictionaries(messages):
        properties = dictionary(message.get("basicProperties"))
        yield text(properties.get("messageId")), "", amqp_headers(properties.get("headers"))
