"""The user's own function that finds the trace context of an event.

``SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR=module:function`` names it. It is called with the event
and the context, and returns headers (a mapping with ``traceparent`` and the like), an OpenTelemetry
``Context`` or ``SpanContext``, or None.
"""

from __future__ import annotations

import sys
from importlib import import_module

from serverless_instrument.environment import shown
from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.propagation import SpanContext
from serverless_instrument.wrapper.settings import CONTEXT_EXTRACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class ContextExtractor:
    """Calls the user's function; warns of its first failure, and raises none.

    Args:
        specification: ``module:function``.
        warn: writes one line to the function's log.
    """

    def __init__(self, specification: str, warn: Callable[[str], None]) -> None:
        self._specification = specification
        self._warn = warn
        self._imported = False
        self._function: Callable[[Any, Any], Any] | None = None
        self._failed = False

    def __call__(self, event: object, context: object) -> Mapping[str, str] | SpanContext | None:
        """What the function finds; None where it finds nothing, fails or cannot be imported."""
        if not self._imported:
            # Not before: it may be in the module whose handler is being decorated.
            self._imported = True
            self._function = self._import_function()
        if self._function is None:
            return None
        try:
            return _headers_or_context(self._function(event, context))
        except Exception as error:
            if not is_ours(error):
                raise
            if not self._failed:
                self._failed = True
                self._warn(f"{CONTEXT_EXTRACTOR} fails: {type_name(error)}: {error}")
            return None

    def _import_function(self) -> Callable[[Any, Any], Any] | None:
        """The function; None, with one warning, where it cannot be used."""
        specification = self._specification
        name, _, attribute = specification.replace("/", ".").partition(":")
        try:
            found = getattr(import_module(name), attribute)
            if not callable(found):
                raise TypeError("it is not callable")
        except Exception as error:  # of the user's module
            if not is_ours(error):
                raise
            text = f"{type_name(error)}: {error}"
            value = shown(specification)
            self._warn(
                f'{CONTEXT_EXTRACTOR}="{value}" cannot be used ({text}); write "module:function"'
            )
            return None
        function: Callable[[Any, Any], Any] = found
        return function


def _headers_or_context(result: Any) -> Mapping[str, str] | SpanContext | None:
    if result is None:
        return None
    if hasattr(result, "trace_id") and hasattr(result, "span_id"):
        return _span_context(result)
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None and type_name(result) == "Context":
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
