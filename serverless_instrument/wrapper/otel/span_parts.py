"""Attributes and links as OpenTelemetry's API gives them, to those of our records and back.

https://opentelemetry.io/docs/specs/otel/common/#attribute-limits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

from serverless_instrument.wrapper.records import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Link, SpanContext
    from opentelemetry.util.types import Attributes

# Values that are kept as they are.
PLAIN = (str, bool, int, float, bytes)


def trace_state(header: str) -> trace.TraceState:
    """The API's view of a tracestate header."""
    return trace.TraceState.from_header([header]) if header else trace.TraceState()


def copied(attributes: Attributes) -> dict[str, object]:
    """`attributes` with what a caller could change later copied; empty keys left out."""
    if not attributes:
        return {}
    return {
        key if isinstance(key, str) else str(key): value  # type: ignore[redundant-expr] # callers are untyped
        if value is None or isinstance(value, PLAIN)
        else _frozen(value)
        for key, value in attributes.items()
        if key
    }


def counted(attributes: Attributes) -> tuple[dict[str, object], int]:
    """Copied attributes, and how many are left out."""
    taken = copied(attributes)
    return taken, len(attributes or ()) - len(taken)


def _frozen(value: object) -> object:
    try:
        if isinstance(value, (list, tuple, set, frozenset)):
            return tuple([_frozen(item) for item in value])
        if isinstance(value, dict):
            return {key: _frozen(item) for key, item in value.items()}
        return value if value is None or isinstance(value, PLAIN) else str(value)
    except Exception:  # it holds itself, or is of the user's own making: the encoder's to sort out
        return value


def put(record: records.Span, attributes: Attributes, limit: int | None) -> None:
    """Set attributes on `record`; over `limit`, new keys are dropped and counted."""
    if not attributes:
        return
    target = record.attributes
    taken, dropped = counted(attributes)
    record.dropped_attributes += dropped
    for key, value in taken.items():
        if key in target or limit is None or len(target) < limit:
            target[key] = value
        else:
            record.dropped_attributes += 1


def add_links(record: records.Span, links: Sequence[Link], limit: int | None) -> None:
    """Add links that name a span or say anything else; over `limit` they are counted."""
    for each in links:
        context, attributes = each.context, each.attributes
        if not (context.is_valid or attributes or context.trace_state):
            continue
        if limit is None or len(record.links) < limit:
            record.links.append(link(context, attributes))
        else:
            record.dropped_links += 1


def link(context: SpanContext, attributes: Attributes, dropped_attributes: int = 0) -> records.Link:
    """Our record of a link; `dropped_attributes` are gone already."""
    taken, dropped = counted(attributes)
    return records.Link(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        context.trace_state.to_header() if context.trace_state else "",
        int(context.trace_flags)
        | records.FLAG_HAS_IS_REMOTE
        | (records.FLAG_IS_REMOTE if context.is_remote else 0),
        taken,
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
