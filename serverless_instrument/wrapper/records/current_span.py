"""The span that is current here and now, whichever way the function makes its spans."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_API = "opentelemetry.trace"
_MANUAL = "serverless_instrument.wrapper.manual"


def current_span() -> tuple[bytes, bytes, int] | None:
    """(trace id, span id, trace flags) of the innermost span; None where no code has opened one.

    Nothing is imported for it: a module that is not loaded has opened none.
    """
    api: Any = sys.modules.get(_API)
    # While it is being imported it is there and not complete.
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
    manual: Any = sys.modules.get(_MANUAL)
    find = getattr(manual, "current", None) if manual is not None else None
    record = find().record if find is not None else None
    return None if record is None else (record.trace_id, record.span_id, record.flags & 0xFF)
