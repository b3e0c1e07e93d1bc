"""Headers in the attributes and the bodies of messages. Pure."""

from __future__ import annotations

from binascii import a2b_base64
from itertools import islice

from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.payload import NAMES, carrier
from serverless_instrument.wrapper.records.primitives import JSONDecoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.wrapper.events.base import Json

_HEADERS = frozenset(name for _, name in NAMES)
# The headers that name a span. Where a message has none, one that is wrapped in it may have.
_SPANS = frozenset(("b3", "traceparent", "x-amzn-trace-id", "x-b3-spanid"))
# Text is decoded as JSON only if it contains one of these.
_MARKS = ("traceparent", "mzn-", "AWSTraceHeader", '"b3"', "-b3-", "-B3-")
# Takes half a millisecond to decode. An event has at most 6 MB, so that messages of a batch are far
# smaller.
_JSON_CHARACTERS = 32_768
# A message may have 1 MiB, attributes included, but attributes are rarely large.
_ATTRIBUTES_CHARACTERS = 65_536
_HEADER_BYTES = 8192
_HEADER_COUNT = 128
# Keys under which publishers put headers, apart from their data.
_APART = ("_datadog", "_otel", "headers", "metadata", "otel", "traceContext", "trace_context")
_decode = JSONDecoder().raw_decode


def message_attributes(attributes: object) -> dict[str, str]:
    """Lower-case names to values of the attributes of an SQS or SNS message, headers or not.

    SQS: ``{"stringValue" | "binaryValue": …}``; SNS: ``{"Type": "String" | "Binary", "Value": …}``.
    Binary values are base64. With raw delivery a message has at most ten attributes.
    """
    found: dict[str, str] = {}
    if not attributes or not isinstance(attributes, dict):
        return found
    for key, attribute in islice(attributes.items(), _HEADER_COUNT):
        if isinstance(attribute, dict):
            value = _attribute(attribute)
            if value:
                found[key.lower()] = value
    return found


def _attribute(attribute: Json) -> str:
    value = attribute.get("stringValue")
    if isinstance(value, str):
        return value
    if attribute.get("Type") == "Binary":
        return _from_base64(attribute.get("Value"), _HEADER_BYTES)
    binary = attribute.get("binaryValue")
    if binary is not None:
        return _from_base64(binary, _HEADER_BYTES)
    return text(attribute.get("Value"))


def message(attributes: object, body: object) -> Mapping[str, str]:
    """Headers of a message, from its body if that names a span and its attributes do not."""
    found = message_attributes(attributes)
    return found if _SPANS.intersection(found) else message_body(body) or found


def item_attributes(image: object) -> dict[str, str]:
    """Headers among the attributes, ``{"S": …}``, of a DynamoDB item."""
    found: dict[str, str] = {}
    if isinstance(image, dict):
        for key, name in NAMES:
            attribute = image.get(key)
            if isinstance(attribute, dict) and isinstance(attribute.get("S"), str):
                found[name] = attribute["S"]
    return found


def _from_base64(value: object, limit: int) -> str:
    """The decoded text; "" where `value` is longer than `limit` characters or decodes to none."""
    if not isinstance(value, str) or len(value) > limit:
        return ""
    try:
        return a2b_base64(value).decode()
    except ValueError:  # not base64 (binascii.Error), not ASCII, or not UTF-8
        return ""


def message_body(body: object) -> Mapping[str, str]:
    """Headers in a message's body: an SNS envelope, an EventBridge event, or JSON with headers."""
    if not isinstance(body, str) or not body.startswith("{"):
        return {}
    found = _envelope_attributes(body)
    return found if _SPANS.intersection(found) else json_text(body) or found


def _envelope_attributes(body: str) -> dict[str, str]:
    """``MessageAttributes`` of an envelope that SNS delivers to a queue; they are its last member.

    They are decoded alone, because the message before them may be long. The key that is searched
    for cannot be inside the message, where its quotes have backslashes. https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
    """
    key = body.rfind('"MessageAttributes"', max(0, len(body) - _ATTRIBUTES_CHARACTERS))
    brace = body.find("{", key, key + 40) if key >= 0 else -1
    return message_attributes(_decoded(body, brace)) if brace >= 0 else {}


def base64_json(data: object) -> Mapping[str, str]:
    """Headers in base64-encoded JSON."""
    return json_text(_from_base64(data, _JSON_CHARACTERS * 4 // 3))


def json_text(value: str, depth: int = 2) -> Mapping[str, str]:
    """Headers in JSON text; `depth` is how many envelopes of SNS may be around it."""
    if len(value) > _JSON_CHARACTERS or not any(mark in value for mark in _MARKS):
        return {}
    inner = wrapped(value) if depth else ""
    if inner:
        return json_text(inner, depth - 1)
    start = value.find("{")
    return event_payload(dictionary(_decoded(value, start))) if start >= 0 else {}


def wrapped(body: str) -> str:
    """The message in an envelope of SNS; "" where `body` is none.

    It is decoded alone, as the attributes are.
    """
    key = body.find('"Message"') if '"TopicArn"' in body else -1
    quote = body.find('"', key + 9, key + 15) if key >= 0 else -1
    return text(_decoded(body, quote)) if quote >= 0 else ""


def event_payload(event: Json) -> Mapping[str, str]:
    """Headers of an EventBridge event's ``detail``, or of any other payload.

    EventBridge has no field for them. Publishers put them at the top level of the detail, or into
    an object in it.
    """
    detail = event.get("detail")
    for values in (detail, event):
        if isinstance(values, dict):
            found = carrier(values)
            for key in () if _SPANS.intersection(found) else _APART:
                inner = carrier(values.get(key))
                if _SPANS.intersection(inner):
                    return inner
            if found:
                return found
    return {}


def _decoded(value: str, start: int) -> object:
    try:
        return _decode(value, start)[0]
    except (ValueError, RecursionError):
        return None


def kafka_headers(headers: object) -> dict[str, str]:
    """Headers of a Kafka record: ``[{"name": [byte, …]}, …]``; of equal names the last counts.

    CloudEvents' Kafka protocol binding has the prefix ``ce_``
    (https://github.com/cloudevents/spec).
    """
    found: dict[str, str] = {}
    for header in headers[:_HEADER_COUNT] if isinstance(headers, list) else ():
        if isinstance(header, dict) and len(header) == 1:
            ((key, value),) = header.items()
            name = key.lower().removeprefix("ce_") if len(key) < 20 else ""
            if name in _HEADERS:
                found[name] = _bytes(value)
    return found


def amqp_headers(headers: object) -> dict[str, str]:
    """RabbitMQ's headers, whose strings are ``{"bytes": [byte, …]}``, or ActiveMQ's properties."""
    found: dict[str, str] = {}
    if isinstance(headers, dict):
        for key, name in NAMES:
            value = headers.get(key)
            if value is not None:
                found[name] = _bytes(value.get("bytes") if isinstance(value, dict) else value)
    return found


def _bytes(value: object) -> str:
    """The text of a string or of an array of bytes, signed (Java) or not; "" for anything else."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or len(value) > _HEADER_BYTES:
        return ""
    try:
        return bytes([byte & 0xFF for byte in value]).decode()
    except (TypeError, ValueError):
        return ""
