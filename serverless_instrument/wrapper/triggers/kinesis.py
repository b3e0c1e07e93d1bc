"""Kinesis data streams; aggregated records (KPL) are data like any other. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.message_carriers import base64_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message

outcome = batches.outcome


def infer(event: object) -> bool:
    """Whether it has records of a stream, from an event source mapping or from Pipes."""
    return batches.is_batch_of(event, "aws:kinesis")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The stream and the shard; a batch comes from one shard."""
    records = batches.records_of(event)
    # arn:aws:kinesis:REGION:ACCOUNT:stream/NAME, then /consumer/NAME:TIME with enhanced fan-out.
    streams = {
        arn.partition("/")[2].partition("/")[0]
        for arn in batches.records_key(event, "eventSourceARN")
    } - {""}
    shard = ""
    if records:  # shardId-000000000006:SEQUENCE-NUMBER
        shard, colon, _ = text(dictionary(records[0]).get("eventID")).partition(":")
        shard = shard if colon else ""
    return batches.facts(
        "aws.kinesis",
        streams,
        len(records),
        _messages(records),
        {
            "aws.kinesis.stream_name": batches.agreed(streams),
            "messaging.destination.partition.id": shard or text(dictionary(event).get("shardId")),
        },
    )


def _messages(records: list[object]) -> Iterator[Message]:
    for record in batches.dictionaries(records):
        inner = record.get("kinesis", record)  # Pipes leave this layer out
        if isinstance(inner, dict):
            yield text(inner.get("sequenceNumber")), "", base64_json(inner.get("data"))
