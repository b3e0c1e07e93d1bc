"""Selects the trigger of a batch of records, or of an event of EventBridge. Pure."""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import dictionary, text

# The triggers selected here; tests read this list and the registry's.
NAMES = (
    "activemq",
    "codecommit",
    "documentdb",
    "dynamodb_stream",
    "eventbridge",
    "firehose",
    "kafka",
    "kinesis",
    "rabbitmq",
    "s3",
    "ses",
    "sns",
    "sqs",
)

_BY_SOURCE = {
    "SelfManagedKafka": "kafka",
    "aws:amq": "activemq",
    "aws:codecommit": "codecommit",
    "aws:docdb": "documentdb",
    "aws:dynamodb": "dynamodb_stream",
    "aws:kafka": "kafka",
    "aws:kinesis": "kinesis",
    "aws:mq": "activemq",
    "aws:rmq": "rabbitmq",
    "aws:s3": "s3",
    "aws:ses": "ses",
    "aws:sns": "sns",
    "aws:sqs": "sqs",
}


def candidate(event: object) -> str:
    """The name of the trigger whose `infer` decides; "" if none can be meant."""
    if isinstance(event, list):
        return _of_record(event[0]) if event else ""
    if not isinstance(event, dict):
        return ""
    records = event.get("Records")
    if isinstance(records, list):
        return _of_record(records[0]) if records else _of_empty_window(event)
    if "deliveryStreamArn" in event:
        return "firehose"
    if "awslogs" in event:
        return "cloudwatch_logs"
    if "detail-type" in event:
        return "eventbridge"
    return _of_record(event)


def _of_record(record: object) -> str:
    values = dictionary(record)
    return _BY_SOURCE.get(text(values.get("eventSource") or values.get("EventSource")), "")


def _of_empty_window(event: dict[str, object]) -> str:
    service = (
        text(event.get("eventSourceARN")).partition(":")[2].partition(":")[2].partition(":")[0]
    )
    return _BY_SOURCE.get(f"aws:{service}", "") if "window" in event else ""
