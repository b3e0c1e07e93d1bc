"""Exemplar filters, and the span and trace ids of an exemplar.

https://opentelemetry.io/docs/specs/otel/metrics/sdk/#exemplarfilter
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import get_current_span

if TYPE_CHECKING:
    from collections.abc import Callable

_OFF, _ALWAYS = "always_off", "always_on"


def exemplar_ids_for(exemplar_filter: str) -> Callable[[object], bytes | None] | None:
    """A function of a measurement's context that returns its exemplar's encoded ids.

    It returns None for a measurement that becomes no exemplar. `exemplar_filter` is trace_based
    (only measurements in sampled spans), always_on, or always_off, which gives None here.
    """
    if exemplar_filter == _OFF:
        return None
    always = exemplar_filter == _ALWAYS

    # The last context and its ids: most values of an invocation are measured in one context.
    last: list[Any] = [None, None]

    def ids(context: Any) -> bytes | None:
        if context is not last[0]:
            last[:] = context, found(context)
        encoded: bytes | None = last[1]
        return encoded

    def found(context: Any) -> bytes | None:
        span = get_current_span(context).get_span_context()
        if not span.is_valid:
            return b"" if always else None
        if not always and not span.trace_flags.sampled:
            return None
        trace_id = span.trace_id.to_bytes(16, "big")
        return b"\x22\x08" + span.span_id.to_bytes(8, "big") + b"\x2a\x10" + trace_id

    return ids
