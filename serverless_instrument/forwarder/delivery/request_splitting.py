"""A request that is too large, cut in two between its items; pure, loaded where a backend asks.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response; 413 is RFC 9110, section 15.5.14.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.exporter.export import Export

_RESOURCE, _SCOPES, _ITEMS = 1, 2, 2
_ITEM_TAG = b"\x12"
_ALL = 1 << 60


def halves(export: Export) -> list[Export]:
    """Two exports that hold the items of `export`; none if it has only one, or cannot be read."""
    try:
        items = _items(export.body)
    except ValueError:
        return []
    if len(items) < 2:
        return []
    middle = len(items) // 2
    # An item may stand for several: a metric for its data points.
    first_count = export.count * middle // len(items)
    counts = (first_count, export.count - first_count)
    parts = []
    for part, count in zip((items[:middle], items[middle:]), counts):  # noqa: B905 # two and two
        batch = Batch(_ALL, merge_metrics=False)
        for resource, scope, item in part:
            batch.add(export.signal, resource, scope, item, 0)
        (one,) = batch.take()
        half = Export(export.signal, one.body, count, export.route)
        half.doubtful = min(count, export.doubtful)
        parts.append(half)
    return parts


def _items(body: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """(resource, tagged scope fields, tagged item) of every item. Raises ValueError."""
    from serverless_instrument.wire import field

    items = []
    for _, _, of_resource in protobuf.fields(body):
        resource, scopes = b"", []
        for number, _, value in protobuf.fields(_bytes(of_resource)):
            if number == _RESOURCE:
                resource += _bytes(value)
            elif number == _SCOPES:
                scopes.append(_bytes(value))
        for of_scope in scopes:
            scope, tagged = b"", []
            for number, _, value in protobuf.fields(of_scope):
                if number == _ITEMS:
                    tagged.append(field(_ITEM_TAG, _bytes(value)))
                else:
                    scope += field(bytes((number << 3 | protobuf.BYTES,)), _bytes(value))
            items += [(resource, scope, item) for item in tagged]
    return items


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("no export request")
    return value
