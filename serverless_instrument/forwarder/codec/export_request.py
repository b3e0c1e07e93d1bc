"""``Export{Trace,Logs,Metrics}ServiceRequest`` messages, taken apart down to their items. Pure.

The three share their field numbers: resource_spans = 1 of the request; resource = 1 and
scope_spans = 2 of ``ResourceSpans``; scope = 1 and spans = 2 of ``ScopeSpans``; and so for logs and
metrics. An item is a span, a log record or a metric.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.wire import field

_OF_RESOURCES, _RESOURCE, _OF_SCOPES, _ITEMS = 1, 1, 2, 2
_ITEM_TAG = b"\x12"


def count_items(body: bytes) -> int:
    """The number of items in `body`. Raises ValueError where it is no such message."""
    count = 0
    for of_resource in _of_resources(body):
        for of_scope in _parts(of_resource, _OF_SCOPES):
            count += len(_parts(of_scope, _ITEMS))
    return count


def split_items(body: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """(resource, tagged fields of its scope, tagged item) of every item in `body`.

    Raises:
        ValueError: it is no such message.
    """
    items = []
    for of_resource in _of_resources(body):
        resource = b"".join(_parts(of_resource, _RESOURCE))
        for of_scope in _parts(of_resource, _OF_SCOPES):
            scope = _other_fields(of_scope, _ITEMS)
            items += [
                (resource, scope, field(_ITEM_TAG, item)) for item in _parts(of_scope, _ITEMS)
            ]
    return items


def _of_resources(body: bytes) -> list[bytes]:
    return _parts(body, _OF_RESOURCES, only=True)


def _parts(data: bytes, number: int, *, only: bool = False) -> list[bytes]:
    """The values of field `number`; another field is an error where it must be the `only` one."""
    found = []
    for found_number, _, value in protobuf.fields(data):
        if found_number == number and isinstance(value, bytes):
            found.append(value)
        elif only or found_number == number:
            raise ValueError(f"unexpected field {found_number}")
    return found


def _other_fields(data: bytes, left_out: int) -> bytes:
    """The tagged fields of a message of messages and strings, but for field `left_out`."""
    kept = []
    for number, _, value in protobuf.fields(data):
        if number != left_out:
            if isinstance(value, int):
                raise ValueError(f"unexpected field {number}")
            kept.append(field(bytes((number << 3 | protobuf.BYTES,)), value))
    return b"".join(kept)
