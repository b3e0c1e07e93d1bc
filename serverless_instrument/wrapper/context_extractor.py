"""A function of the user's that finds the trace context of an event.

``SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR=module:function``; it is called with the event and the
context and returns headers (a mapping with ``traceparent`` and the like), an OpenTelemetry
``Context`` or ``SpanContext``, or None where it finds nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module

from serverless_instrument.environment import shown
from serverless_instrument.wrapper.records.propagation import SpanContext
from serverless_instrument.wrapper.settings import CONTEXT_EXTRACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def load(
    specification: str, warn: Callable[[str], None]
) -> Callable[[object, object], Mapping[str, str] | SpanContext | None] | None:
    """The extractor that `specification` names; None, with one warning, where there is none."""
    name, _, attribute = specification.replace("/", ".").partition(":")
    try:
        found = getattr(import_module(name), attribute)
        if not callable(found):
            raise TypeError("it is not callable")
    except Exception as error:  # a module of the user's
        text = f"{type(error).__name__}: {error}"
        value = shown(specification)
        warn(f'{CONTEXT_EXTRACTOR}="{value}" cannot be used ({text}); write "module:function"')
        return None
    return _Extractor(found, warn)


class _Extractor:
    """Calls the user's function; its first exception is said, and none gets out."""

    def __init__(self, function: Callable[..., Any], warn: Callable[[str], None]) -> None:
        self._function = function
        self._warn = warn
        self._failed = False

    def __call__(self, event: object, context: object) -> Mapping[str, str] | SpanContext | None:
        try:
            return _understood(self._function(event, context))
        except Exception as error:
            if not self._failed:
                self._failed = True
                self._warn(f"{CONTEXT_EXTRACTOR} fails: {type(error).__name__}: {error}")
            return None


def _understood(result: Any) -> Mapping[str, str] | SpanContext | None:
    if result is None:
        return None
    if hasattr(result, "trace_id") and hasattr(result, "span_id"):
        return _span_context(result)
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None and type(result).__name__ == "Context":
        return _span_context(trace.get_current_span(result).get_span_context())
    return {str(name).lower(): value for name, value in result.items() if isinstance(value, str)}


def _span_context(context: Any) -> SpanContext | None:
    if not context.is_valid:
        return None
    state = context.trace_state
    return SpanContext(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        int(context.trace_flags) & 0xFF,
        state.to_header() if state else "",
    )
