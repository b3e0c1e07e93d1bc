"""SNS: one message at a time. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches, s3_notifications
from serverless_instrument.wrapper.events.base import Outcome, dictionary, text
from serverless_instrument.wrapper.events.message_carriers import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message


def infer(event: object) -> bool:
    """Whether it has records of a topic."""
    return batches.are_records_of(event, "aws:sns")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The topic."""
    messages = [dictionary(record.get("Sns")) for record in batches.dictionaries(event["Records"])]
    arns = {text(each.get("TopicArn")) for each in messages} - {""}
    only = messages[0] if len(messages) == 1 else {}
    return batches.facts(
        "aws.sns",
        {arn.rpartition(":")[2] for arn in arns},
        len(messages),
        _messages(messages),
        {
            "aws.sns.topic.arn": batches.agreed(arns),
            "messaging.message.id": text(only.get("MessageId")),
        },
        span_attributes=s3_notifications.message_attributes(text(only.get("Message"))),
        is_batch=False,
    )


def _messages(messages: list[Json]) -> Iterator[Message]:
    for each in messages:
        headers = message(each.get("MessageAttributes"), each.get("Message"))
        yield text(each.get("MessageId")), "", headers


def outcome(response: object) -> Outcome:  # noqa: ARG001 - as every trigger's
    """Any return value is a success: SNS does not read it."""
    return Outcome()
