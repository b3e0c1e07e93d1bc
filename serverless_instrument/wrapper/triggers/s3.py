"""S3 notifications: direct, and inside a message of SNS or SQS or an event of EventBridge.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

from json import loads

from serverless_instrument.wrapper.events import batches, source
from serverless_instrument.wrapper.events.base import Facts, dictionary, text
from serverless_instrument.wrapper.events.document import document
from serverless_instrument.wrapper.events.message_carriers import wrapped
from serverless_instrument.wrapper.records.propagation import percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

outcome = source.outcome

# The event's type, before its colon. "insert" is also an object written over an older one: the
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
_TEXT_CHARACTERS = 16_384


def infer(event: object) -> bool:
    """Records of a bucket."""
    return batches.are_records_of(event, "aws:s3")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The bucket, and of a single object what was done to it."""
    return Facts(None, "datasource", _notified(event), {})


def _notified(event: Json) -> dict[str, object]:
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
    """A key of a notification, which is encoded as a form's (space is "+")."""
    return percent_decode(key.replace("+", " "))


def facts_in_detail(event: Json) -> dict[str, object]:
    """The same of an event of S3's on EventBridge, whose keys are not encoded."""
    if event.get("source") != "aws.s3":
        return {}
    detail = dictionary(event.get("detail"))
    return document(
        text(dictionary(detail.get("bucket")).get("name")),
        _OPERATIONS.get(text(event.get("detail-type")), ""),
        text(dictionary(detail.get("object")).get("key")),
        text(event.get("time")),
    )


def facts_in_text(body: str, depth: int = 1) -> dict[str, object]:
    """The same of a message that holds either, also in the envelope of SNS."""
    if len(body) > _TEXT_CHARACTERS or not ("aws:s3" in body or "aws.s3" in body):
        return {}
    inner = wrapped(body) if depth else ""
    if inner:
        return facts_in_text(inner, depth - 1)
    try:
        event = dictionary(loads(body))
    except (ValueError, RecursionError):
        return {}
    return _notified(event) if infer(event) else facts_in_detail(event)
