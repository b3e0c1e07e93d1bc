"""Where messages and their bodies carry headers."""

from __future__ import annotations

from binascii import a2b_base64
from itertools import islice
from json import JSONDecoder

from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.payload import NAMES, carrier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.wrapper.events.base import Json

_HEADERS = frozenset(name for _, name in NAMES)
# Which of them name a span. Without one, what a message wraps may still name its own.
_SPANS = frozenset(("b3", "traceparent", "x-amzn-trace-id", "x-b3-spanid"))
# What text must contain to be worth decoding as JSON.
_MARKS = ("traceparent", "mzn-", "AWSTraceHeader", '"b3"', "-b3-", "-B3-")
# Half a millisecond's decoding. A batch's share of the 6 MB that an event may have is far less.
_JSON_CHARACTERS = 32_768
# Attributes count as part of a message, which is at most 1 MiB, but are not where its size is.
_ATTRIBUTES_CHARACTERS = 65_536
_HEADER_BYTES = 8192
_HEADER_COUNT = 128
# Objects in which publishers put a context of their own apart from their data.
_APART = ("_datadog", "_otel", "headers", "metadata", "otel", "traceContext", "trace_context")
_decode = JSONDecoder().raw_decode


def message_attributes(attributes: object) -> dict[str, str]:
    """Lower-case names to texts of the attributes of an SQS or SNS message, headers or not.

    SQS: ``{"stringValue" | "binaryValue": …}``; SNS: ``{"Type": "String" | "Binary", "Value": …}``.
    Binary values are base64. A message has ten attributes at most, with raw delivery.
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
    """Headers of a message: its attributes, unless they name no span and its body does."""
    found = message_attributes(attributes)
    return found if _SPANS.intersection(found) else message_body(body) or found


def item_attributes(image: object) -> dict[str, str]:
    """Headers that are attributes, ``{"S": …}``, of a DynamoDB item."""
    found: dict[str, str] = {}
    if isinstance(image, dict):
        for key, name in NAMES:
            attribute = image.get(key)
            if isinstance(attribute, dict) and isinstance(attribute.get("S"), str):
                found[name] = attribute["S"]
    return found


def _from_base64(value: object, limit: int) -> str:
    """Decoded text, or "" where it is longer than `limit` characters or no text at all."""
    if not isinstance(value, str) or len(value) > limit:
        return ""
    try:
        return a2b_base64(value).decode()
    except ValueError:  # not base64 (binascii.Error), not ASCII, or not UTF-8
        return ""


def message_body(body: object) -> Mapping[str, str]:
    """Headers in a message's text: an SNS envelope, an EventBridge event, or JSON with headers."""
    if not isinstance(body, str) or not body.startswith("{"):
        return {}
    found = _envelope_attributes(body)
    return found if _SPANS.intersection(found) else json_text(body) or found


def _envelope_attributes(body: str) -> dict[str, str]:
    """``MessageAttributes`` of what SNS delivers to a queue, where they come last.

    Decoded by themselves: the message beside them may be long. In its text the name would have
    backslashes. https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
    """
    key = body.rfind('"MessageAttributes"', max(0, len(body) - _ATTRIBUTES_CHARACTERS))
    brace = body.find("{", key, key + 40) if key >= 0 else -1
    return message_attributes(_decoded(body, brace)) if brace >= 0 else {}


def base64_json(data: object) -> Mapping[str, str]:
    """Headers in base64-encoded JSON."""
    return json_text(_from_base64(data, _JSON_CHARACTERS * 4 // 3))


def json_text(value: str, depth: int = 2) -> Mapping[str, str]:
    """Headers in JSON text; within `depth` more layers of text where SNS has wrapped an event."""
    if len(value) > _JSON_CHARACTERS or not any(mark in value for mark in _MARKS):
        return {}
    inner = wrapped(value) if depth else ""
    if inner:
        return json_text(inner, depth - 1)
    start = value.find("{")
    return event_payload(dictionary(_decoded(value, start))) if start >= 0 else {}


def wrapped(body: str) -> str:
    """The message in an envelope of SNS, "" where `body` is none.

    Decoded by itself, as the attributes are: in any text the quotes would have backslashes.
    """
    key = body.find('"Message"') if '"TopicArn"' in body else -1
    quote = body.find('"', key + 9, key + 15) if key >= 0 else -1
    return text(_decoded(body, quote)) if quote >= 0 else ""


def event_payload(event: Json) -> Mapping[str, str]:
    """Headers of an EventBridge event's ``detail``, or of any other payload.

    EventBridge has no place for them. Publishers put them at the top of the detail, or into an
    object in it.
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
    """Headers of a Kafka record: ``[{"name": [byte, …]}, …]``; the last of a name stands.

    The prefix is CloudEvents' (https://github.com/cloudevents/spec, Kafka protocol binding).
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
    """Headers of RabbitMQ, whose strings are ``{"bytes": [byte, …]}``, or ActiveMQ's properties."""
    found: dict[str, str] = {}
    if isinstance(headers, dict):
        for key, name in NAMES:
            value = headers.get(key)
            if value is not None:
                found[name] = _bytes(value.get("bytes") if isinstance(value, dict) else value)
    return found


def _bytes(value: object) -> str:
    """Text as it is, or in an array of bytes, signed as Java's or not; "" for anything else."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or len(value) > _HEADER_BYTES:
        return ""
    try:
        return bytes([byte & 0xFF for byte in value]).decode()
    except (TypeError, ValueError):
        return ""
