"""Splitting of an export request that a backend finds too large; loaded with the first. Pure.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response; 413 is RFC 9110, section 15.5.14.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.export_request import split_items
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.exporter.export import Export

_NO_LIMIT_BYTES = 1 << 60


def split_in_two(export: Export) -> list[Export]:
    """Two exports with the items of `export`; none if it has only one item, or is malformed."""
    try:
        items = split_items(export.body)
    except ValueError:
        return []
    if len(items) < 2:
        return []
    middle = len(items) // 2
    # One item may count for several: a metric for its data points.
    first_count = export.count * middle // len(items)
    counts = (first_count, export.count - first_count)
    parts = []
    for part, count in zip((items[:middle], items[middle:]), counts):  # noqa: B905 # two and two
        batch = Batch(_NO_LIMIT_BYTES, merge_metrics=False)
        for resource, scope, item in part:
            batch.add_items(export.signal, resource, scope, item, 0)
        (one,) = batch.take_exports()
        half = Export(export.signal, one.body, count, export.route)
        half.doubtful = min(count, export.doubtful)
        parts.append(half)
    return parts
