"""The current span of the calling context, made by OpenTelemetry or by our own API."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from serverless_instrument.wrapper.records.records import Span

_API = "opentelemetry.trace"

_find_record: Callable[[], Span | None] | None = None


def use_record_spans(find: Callable[[], Span | None]) -> None:
    """Have `find` tell the innermost span of our own API; it is used without OpenTelemetry's."""
    global _find_record
    _find_record = find


def current_span() -> tuple[bytes, bytes, int] | None:
    """(trace id, span id, trace flags) of the innermost span; None where no code has opened one.

    It imports nothing: an API that is not loaded has opened no span.
    """
    api: Any = sys.modules.get(_API)
    # While the module is being imported, it is in sys.modules and incomplete.
    get = getattr(api, "get_current_span", None) if api is not None else None
    if get is not None:
        span = get()
        record = getattr(span, "record", None)  # one of our own spans
        if record is not None:
            return record.trace_id, record.span_id, record.flags & 0xFF
        context = span.get_span_context()
        if context.is_valid:
            return (
                context.trace_id.to_bytes(16, "big"),
                context.span_id.to_bytes(8, "big"),
                int(context.trace_flags),
            )
        return None
    record = _find_record() if _find_record is not None else None
    return None if record is None else (record.trace_id, record.span_id, record.flags & 0xFF)
