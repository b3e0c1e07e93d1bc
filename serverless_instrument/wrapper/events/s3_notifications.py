"""S3 notifications: by themselves, inside a message of SNS or SQS, or as EventBridge events. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.document import document
from serverless_instrument.wrapper.events.message_carriers import wrapped
from serverless_instrument.wrapper.records.primitives import json_loads as loads
from serverless_instrument.wrapper.records.propagation import percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

# By the event's type, before its colon. "insert" includes an object that replaces an older one: a
# notification does not tell the two apart.
_OPERATIONS = {
    "ObjectCreated": "insert",
    "ObjectRemoved": "delete",
    "LifecycleExpiration": "delete",
    "ObjectAcl": "edit",
    "ObjectTagging": "edit",
    "ObjectRestore": "edit",
    "LifecycleTransition": "edit",
    "IntelligentTiering": "edit",
    # EventBridge's detail-type
    "Object Created": "insert",
    "Object Deleted": "delete",
    "Object ACL Updated": "edit",
    "Object Tags Added": "edit",
    "Object Tags Deleted": "edit",
    "Object Restore Completed": "edit",
    "Object Storage Class Changed": "edit",
    "Object Access Tier Changed": "edit",
}
# A longer message is not decoded: that would cost the function milliseconds.
_TEXT_CHARACTERS = 16_384


def is_notification(event: object) -> bool:
    """Whether `event` holds records of a bucket."""
    return batches.are_records_of(event, "aws:s3")


def notification_attributes(event: Json) -> dict[str, object]:
    """The bucket, and for a single record its key and time, as ``faas.document.*``."""
    records = list(batches.dictionaries(batches.records_of(event)))
    details = [dictionary(record.get("s3")) for record in records]
    buckets = {text(dictionary(detail.get("bucket")).get("name")) for detail in details}
    kinds = {text(name).removeprefix("s3:") for name in batches.records_key(event, "eventName")}
    operations = {_OPERATIONS.get(kind.partition(":")[0], "") for kind in kinds}
    key = time = ""
    if len(records) == 1:
        key = decoded_key(text(dictionary(details[0].get("object")).get("key")))
        time = text(records[0].get("eventTime"))
    return document(batches.agreed(buckets), batches.agreed(operations), key, time)


def decoded_key(key: str) -> str:
    """A notification's object key, which is encoded as a form is (a space is "+")."""
    return percent_decode(key.replace("+", " "))


def eventbridge_attributes(event: Json) -> dict[str, object]:
    """The same attributes of an S3 event on EventBridge, whose keys are not encoded."""
    if event.get("source") != "aws.s3":
        return {}
    detail = dictionary(event.get("detail"))
    return document(
        text(dictionary(detail.get("bucket")).get("name")),
        _OPERATIONS.get(text(event.get("detail-type")), ""),
        text(dictionary(detail.get("object")).get("key")),
        text(event.get("time")),
    )


def message_attributes(body: str, depth: int = 1) -> dict[str, object]:
    """The same attributes of a message that holds either, within `depth` envelopes of SNS."""
    if len(body) > _TEXT_CHARACTERS or not ("aws:s3" in body or "aws.s3" in body):
        return {}
    inner = wrapped(body) if depth else ""
    if inner:
        return message_attributes(inner, depth - 1)
    try:
        event = dictionary(loads(body))
    except (ValueError, RecursionError):
        return {}
    if is_notification(event):
        return notification_attributes(event)
    return eventbridge_attributes(event)
