"""Trace headers as message attributes of SQS and SNS, where they fit.

Attributes count towards the size of a message, and of a batch: a message that just fits without
ours is sent without them. What the user has set is never displaced. SQS takes messages and batches
of 1 MiB since August 2025, SNS of 256 KiB; a queue may have a lower limit of its own
(MaximumMessageSize), 256 KiB where it was made before, so that is the limit for both.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Parameters = dict[str, Any]
    Headers = Mapping[str, str]

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
_MAX_ATTRIBUTES = 10
_MAX_BYTES = 256 * 1024
_TYPE = "String"


def add_to_sqs_message(parameters: Parameters, headers: Headers) -> None:
    """Add `headers` to the parameters of ``SendMessage``."""
    _add(parameters, "MessageBody", headers)


def add_to_sns_message(parameters: Parameters, headers: Headers) -> None:
    """Add `headers` to the parameters of ``Publish``."""
    _add(parameters, "Message", headers)


def add_to_sqs_batch(parameters: Parameters, headers: Headers) -> None:
    """Add `headers` to the entries of ``SendMessageBatch``."""
    _add_to_batch(parameters, "Entries", "MessageBody", headers)


def add_to_sns_batch(parameters: Parameters, headers: Headers) -> None:
    """Add `headers` to the entries of ``PublishBatch``."""
    _add_to_batch(parameters, "PublishBatchRequestEntries", "Message", headers)


def _add(parameters: Parameters, body: str, headers: Headers) -> None:
    attributes = _more(parameters, headers)
    room = _MAX_BYTES - _size_bytes(parameters, body) - _attributes_bytes(attributes)
    if attributes and room >= 0:
        given = parameters.get("MessageAttributes") or {}
        parameters["MessageAttributes"] = {**given, **attributes}


def _add_to_batch(parameters: Parameters, name: str, body: str, headers: Headers) -> None:
    """New entries: the caller's dicts stay as they are."""
    entries = parameters[name]
    room = _MAX_BYTES - sum(_size_bytes(entry, body) for entry in entries)
    injected = []
    for entry in entries:
        attributes = _more(entry, headers)
        size_bytes = _attributes_bytes(attributes)
        if attributes and size_bytes <= room:
            room -= size_bytes
            given = entry.get("MessageAttributes") or {}
            injected.append({**entry, "MessageAttributes": {**given, **attributes}})
        else:
            injected.append(entry)
    parameters[name] = injected


def _more(message: Parameters, headers: Headers) -> dict[str, Any]:
    """The attributes to add to `message`: none where it has a trace context of its own."""
    given = message.get("MessageAttributes") or {}
    names = {str(name).lower() for name in given}
    if "traceparent" in names:
        headers = {name: value for name, value in headers.items() if name == "baggage"}
    added = {
        name: {"DataType": _TYPE, "StringValue": value}
        for name, value in headers.items()
        if name not in names
    }
    return dict(list(added.items())[: max(0, _MAX_ATTRIBUTES - len(given))])


def _size_bytes(message: Parameters, body: str) -> int:
    """Bytes of what counts: body, subject and attributes, a little more where in doubt."""
    return (
        _bytes(message.get(body))
        + _bytes(message.get("Subject"))
        + _attributes_bytes(message.get("MessageAttributes") or {})
    )


def _attributes_bytes(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Name, type and value of each count."""
    return sum(
        _bytes(name) + sum(_bytes(part) for part in attribute.values())
        for name, attribute in attributes.items()
    )


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, (bytes, bytearray)) else 0
