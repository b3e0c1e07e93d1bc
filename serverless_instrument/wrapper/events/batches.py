"""Batches of messages: their records, the CONSUMER span, partial failures. Pure.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import (
    ALL_MESSAGES,
    Consumer,
    Facts,
    Outcome,
    dictionary,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serverless_instrument.wrapper.events.base import Json, Message

# Of a batch of up to 10,000 records.
_MAX_LOOKED_AT = 1000


def records_of(event: object) -> list[object]:
    """The records of an event source mapping; EventBridge Pipes send the array by itself."""
    records = event.get("Records") if isinstance(event, dict) else event
    return records if isinstance(records, list) else []


def is_batch_of(event: object, source: str) -> bool:
    """Whether the first record names `source`.

    The last invocation of a tumbling window may have no records; the event then has the stream's
    ARN beside the empty list. https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
    """
    records = records_of(event)
    if records:
        first = dictionary(records[0])
        return first.get("eventSource") == source or first.get("EventSource") == source
    if not isinstance(event, dict) or "Records" not in event or "window" not in event:
        return False
    return f":{source.partition(':')[2]}:" in text(event.get("eventSourceARN"))


def are_records_of(event: object, source: str) -> bool:
    """`is_batch_of` for sources that always send records and are no source of EventBridge Pipes."""
    return isinstance(event, dict) and bool(event.get("Records")) and is_batch_of(event, source)


def records_key(event: object, key: str) -> set[str]:
    """The different non-empty strings that `event`'s records, or the event, have under `key`.

    Of a large batch the first records are looked at: an event source mapping has one source.
    """
    first = records_of(event)[:_MAX_LOOKED_AT]
    found = {text(record.get(key)) for record in first if isinstance(record, dict)} or {
        text(dictionary(event).get(key))
    }
    return found - {""}


def agreed(values: Iterable[str]) -> str:
    """The value that all of `values` have; "" where they differ or there are none."""
    different = set(values)
    return different.pop() if len(different) == 1 else ""


def facts(
    system: str,
    destinations: Iterable[str],
    message_count: int,
    messages: Iterable[Message],
    attributes: Mapping[str, object] | None = None,
    *,
    name: str | None = None,
    trigger: str = "pubsub",
    span_attributes: dict[str, object] | None = None,
    is_batch: bool = True,
) -> Facts:
    """The facts of a batch of messages.

    Args:
        system: ``messaging.system``.
        destinations: the queue, topic or stream of each message.
        message_count: how many messages there are.
        messages: read once, for links.
        attributes: of the CONSUMER span; those that are "" are left out.
        name: of the invocation's span; None for the function's name.
        trigger: a ``faas.trigger`` value.
        span_attributes: of the invocation's span.
        is_batch: False for a source that delivers one message at a time.
    """
    different = set(destinations)
    destination = agreed(different)
    found: dict[str, object] = {
        "messaging.system": system,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
    }
    if destination:
        found["messaging.destination.name"] = destination
    if is_batch:
        found["messaging.batch.message_count"] = message_count
    found.update({key: value for key, value in (attributes or {}).items() if value != ""})
    label = f"process {destination}" if destination else "process"
    if len(different) > 1:
        label = "multiple_sources process"
    consumer = Consumer(label, found, message_count, messages)
    return Facts(name, trigger, span_attributes or {}, {}, consumer=consumer)


def outcome(response: object) -> Outcome:
    """The messages that a response reports as failed, as Lambda interprets it.

    An item without a valid identifier, or a value that is no list, fails the whole batch:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    Kafka's identifiers are objects of partition and offset.
    """
    failures = response.get("batchItemFailures") if isinstance(response, dict) else None
    if failures is None:
        return Outcome()
    if not isinstance(failures, (list, tuple)):
        return Outcome(failed_messages=ALL_MESSAGES)
    failed: set[str] = set()
    for item in failures:
        identifier = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not identifier or not isinstance(identifier, (str, dict)):
            return Outcome(failed_messages=ALL_MESSAGES)
        failed.add(identifier if isinstance(identifier, str) else repr(identifier))
    return Outcome(failed_messages=len(failed))


def dictionaries(records: Iterable[object]) -> Iterable[Json]:
    """Those of `records` that are JSON objects."""
    return (record for record in records if isinstance(record, dict))
