"""Kafka: Amazon MSK and self-managed clusters. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html
https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.message_carriers import kafka_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message

outcome = batches.outcome
_SOURCES = ("SelfManagedKafka", "aws:kafka")


def infer(event: object) -> bool:
    """Whether it has records by topic and partition, or is an array of them from Pipes."""
    if isinstance(event, list):
        return any(batches.is_batch_of(event, source) for source in _SOURCES)
    return (
        isinstance(event, dict)
        and event.get("eventSource") in _SOURCES
        and isinstance(event.get("records"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The topic, and the partition if there is only one."""
    records = _records(event)
    topics, partitions = set(), set()
    for record in batches.dictionaries(records):
        topics.add(text(record.get("topic")))
        partition = record.get("partition")
        partitions.add(str(partition) if type(partition) is int else "")
    only = dictionary(records[0]) if len(records) == 1 else {}
    attributes: dict[str, object] = {
        "messaging.destination.partition.id": batches.agreed(partitions)
    }
    if type(only.get("offset")) is int:
        attributes["messaging.kafka.offset"] = only["offset"]
    return batches.facts("kafka", topics - {""}, len(records), _messages(records), attributes)


def _records(event: object) -> list[object]:
    if isinstance(event, list):
        return event
    lists = dictionary(dictionary(event).get("records")).values()
    return [record for records in lists if isinstance(records, list) for record in records]


def _messages(records: list[object]) -> Iterator[Message]:
    for record in batches.dictionaries(records):
        yield "", "", kafka_headers(record.get("headers"))
