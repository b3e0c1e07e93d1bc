"""Conversion of attributes and links between OpenTelemetry's API and our records.

https://opentelemetry.io/docs/specs/otel/common/#attribute-limits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

from serverless_instrument.wrapper.records import is_ours, records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Link, SpanContext
    from opentelemetry.util.types import Attributes

# Types of values that need no copy.
PLAIN = (str, bool, int, float, bytes)


def trace_state(header: str) -> trace.TraceState:
    """The API's view of a tracestate header."""
    return trace.TraceState.from_header([header]) if header else trace.TraceState()


def copied(attributes: Attributes) -> dict[str, object]:
    """`attributes` with copies of mutable values; empty keys are left out."""
    if not attributes:
        return {}
    return {
        key if isinstance(key, str) else str(key): value  # type: ignore[redundant-expr] # callers are untyped
        if value is None or isinstance(value, PLAIN)
        else _frozen(value)
        for key, value in attributes.items()
        if key
    }


def copied_and_counted(attributes: Attributes) -> tuple[dict[str, object], int]:
    """(copied attributes, number of those left out)."""
    copies = copied(attributes)
    return copies, len(attributes or ()) - len(copies)


def _frozen(value: object) -> object:
    try:
        if isinstance(value, (list, tuple, set, frozenset)):
            return tuple([_frozen(item) for item in value])
        if isinstance(value, dict):
            return {key: _frozen(item) for key, item in value.items()}
        return value if value is None or isinstance(value, PLAIN) else str(value)
    except Exception as error:  # recursive, or of the user's own type: the encoder deals with it
        if not is_ours(error):
            raise
        return value


def set_attributes(record: records.Span, attributes: Attributes, limit: int | None) -> None:
    """Set attributes on `record`; over `limit`, new keys are dropped and counted."""
    if not attributes:
        return
    target = record.attributes
    copies, dropped = copied_and_counted(attributes)
    record.dropped_attributes += dropped
    for key, value in copies.items():
        if key in target or limit is None or len(target) < limit:
            target[key] = value
        else:
            record.dropped_attributes += 1


def add_links(record: records.Span, links: Sequence[Link], limit: int | None) -> None:
    """Add links that are valid or carry anything else; those over `limit` are counted."""
    for each in links:
        context, attributes = each.context, each.attributes
        if not (context.is_valid or attributes or context.trace_state):
            continue
        if limit is None or len(record.links) < limit:
            record.links.append(link(context, attributes))
        else:
            record.dropped_links += 1


def link(context: SpanContext, attributes: Attributes, dropped_attributes: int = 0) -> records.Link:
    """Our record of a link; `dropped_attributes` is the number already dropped."""
    copies, dropped = copied_and_counted(attributes)
    return records.Link(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        context.trace_state.to_header() if context.trace_state else "",
        int(context.trace_flags)
        | records.FLAG_HAS_IS_REMOTE
        | (records.FLAG_IS_REMOTE if context.is_remote else 0),
        copies,
        dropped + dropped_attributes,
    )


def api_link(record: records.Link) -> Link:
    """The API's view of a link."""
    context = trace.SpanContext(
        int.from_bytes(record.trace_id, "big"),
        int.from_bytes(record.span_id, "big"),
        is_remote=bool(record.flags & records.FLAG_IS_REMOTE),
        trace_flags=trace.TraceFlags(record.flags & 0xFF),
        trace_state=trace_state(record.trace_state),
    )
    return trace.Link(context, dict(record.attributes))  # type: ignore[arg-type] # plain values
