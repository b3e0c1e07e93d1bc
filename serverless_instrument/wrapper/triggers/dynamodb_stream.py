"""DynamoDB streams. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.document import document, utc
from serverless_instrument.wrapper.events.message_carriers import item_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message

outcome = batches.outcome
_OPERATIONS = {"INSERT": "insert", "MODIFY": "edit", "REMOVE": "delete"}


def infer(event: object) -> bool:
    """Whether it has records of a table's stream, from an event source mapping or from Pipes."""
    return batches.is_batch_of(event, "aws:dynamodb")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The table and the operation.

    A stream is consumed like Kinesis', with partial failures, so it has a CONSUMER span too. Its
    links are the trace contexts that an outbox pattern stores in the items.
    """
    records = batches.records_of(event)
    tables = {
        arn.partition("/")[2].partition("/")[0]
        for arn in batches.records_key(event, "eventSourceARN")
    } - {""}
    only = dictionary(records[0]) if len(records) == 1 else {}
    operations = batches.records_key(event, "eventName")
    time_s = dictionary(only.get("dynamodb")).get("ApproximateCreationDateTime")
    return batches.facts(
        "aws.dynamodb",
        tables,
        len(records),
        _messages(records),
        name=None,
        trigger="datasource",
        span_attributes=document(
            batches.agreed(tables),
            _OPERATIONS.get(batches.agreed(operations), ""),
            time=utc(time_s),
        ),
    )


def _messages(records: list[object]) -> Iterator[Message]:
    for record in batches.dictionaries(records):
        change = record.get("dynamodb")
        if isinstance(change, dict):
            found = item_attributes(change.get("NewImage"))
            yield text(change.get("SequenceNumber")), "", found
