"""Data Firehose transformations. Pure.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches
from serverless_instrument.wrapper.events.base import Outcome, text
from serverless_instrument.wrapper.events.message_carriers import base64_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.wrapper.events.base import Facts, Json, Message


def infer(event: object) -> bool:
    """Whether it has records of a delivery stream."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("deliveryStreamArn"), str)
        and isinstance(event.get("records"), list)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The delivery stream."""
    name = text(event.get("deliveryStreamArn")).rpartition("/")[2]
    records = event["records"]
    return batches.facts("aws.firehose", {name} - {""}, len(records), _messages(records))


def _messages(records: list[object]) -> Iterator[Message]:
    for record in batches.dictionaries(records):
        yield text(record.get("recordId")), "", base64_json(record.get("data"))


def outcome(response: object) -> Outcome:
    """The number of ``ProcessingFailed`` records, which Firehose delivers to the error output."""
    records = response.get("records") if isinstance(response, dict) else None
    if not isinstance(records, (list, tuple)):
        return Outcome()
    failed = [
        record
        for record in batches.dictionaries(records)
        if record.get("result") == "ProcessingFailed"
    ]
    return Outcome(failed_messages=len(failed))
