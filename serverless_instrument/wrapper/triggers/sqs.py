"""SQS: plain messages, and what SNS, EventBridge and S3 put into a queue. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/#sqs
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches, s3_notifications
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.message_carriers import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message

outcome = batches.outcome


def infer(event: object) -> bool:
    """Whether it has records of queues, from an event source mapping or from Pipes."""
    return batches.is_batch_of(event, "aws:sqs")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The queue; its name is part of the span's name if there is only one."""
    records = batches.records_of(event)
    queues = {arn.rpartition(":")[2] for arn in batches.records_key(event, "eventSourceARN")}
    queue = batches.agreed(queues)
    only = dictionary(records[0]) if len(records) == 1 else {}
    return batches.facts(
        "aws_sqs",
        queues,
        len(records),
        _messages(records),
        {"messaging.message.id": text(only.get("messageId"))},
        name=f"process {queue}" if queue else None,
        span_attributes=s3_notifications.message_attributes(text(only.get("body"))),
    )


def _messages(records: list[object]) -> Iterator[Message]:
    for record in batches.dictionaries(records):
        yield (
            text(record.get("messageId")),
            text(dictionary(record.get("attributes")).get("AWSTraceHeader")),
            # Raw delivery from SNS keeps the attributes; otherwise they are in the body.
            message(record.get("messageAttributes"), record.get("body")),
        )
