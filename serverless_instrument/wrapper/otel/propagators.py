"""``OTEL_PROPAGATORS`` for OpenTelemetry code in the function.

The API looks up propagators by entry point, and the import of its module fails where one is not
installed. Ours read and write the same headers as the invocation's span does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    TextMapPropagator,
    default_getter,
    default_setter,
)

from serverless_instrument.wrapper.records import propagation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import CarrierT, Getter, Setter

    Parse = Callable[[Mapping[str, str]], propagation.SpanContext | None]
    Write = Callable[[propagation.SpanContext], Mapping[str, str]]


def _xray(headers: Mapping[str, str]) -> propagation.SpanContext | None:
    return propagation.parse_xray(headers.get("x-amzn-trace-id", ""))


def _xray_header(context: propagation.SpanContext) -> Mapping[str, str]:
    return {"X-Amzn-Trace-Id": propagation.format_xray(context)}


# A plain dict is searched for this spelling and for lower case.
_B3 = ("b3", "X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled", "X-B3-Flags")
_OURS: Mapping[str, tuple[tuple[str, ...], Parse, Write]] = {
    "xray": (("X-Amzn-Trace-Id",), _xray, _xray_header),
    "xray-lambda": (("X-Amzn-Trace-Id",), _xray, _xray_header),
    "b3": (_B3, propagation.parse_b3, lambda context: {"b3": propagation.format_b3(context)}),
    "b3multi": (_B3, propagation.parse_b3, propagation.format_b3_multi),
}


_ANY = propagation.SpanContext(bytes(16), bytes(8), 0)


class _Propagator(TextMapPropagator):
    """The API's interface to one row of `_OURS`."""

    def __init__(self, names: tuple[str, ...], parse: Parse, write: Write) -> None:
        self._names = names
        self._parse = parse
        self._write = write

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        headers = {}
        for name in self._names:
            values = getter.get(carrier, name) or getter.get(carrier, name.lower())
            if values:
                headers[name.lower()] = values[0]
        found = self._parse(headers)
        if found is None:
            return context if context is not None else context_api.get_current()
        remote = trace.SpanContext(
            int.from_bytes(found.trace_id, "big"),
            int.from_bytes(found.span_id, "big"),
            is_remote=True,
            trace_flags=trace.TraceFlags(found.flags),
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(remote), context)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        current = trace.get_current_span(context).get_span_context()
        if not current.is_valid:
            return
        ours = propagation.SpanContext(
            current.trace_id.to_bytes(16, "big"),
            current.span_id.to_bytes(8, "big"),
            int(current.trace_flags),
        )
        for name, value in self._write(ours).items():
            setter.set(carrier, name, value)

    @property
    def fields(self) -> set[str]:
        return set(self._write(_ANY))


class _XRayLambda(_Propagator):
    """Prefers the header in the environment, unless an earlier propagator has found a span.

    https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        found = super().extract(carrier, context, getter)
        header = os.environ.get("_X_AMZN_TRACE_ID")
        if not header or trace.get_current_span(context).get_span_context().is_valid:
            return found
        return super().extract({"X-Amzn-Trace-Id": header}, found)


def composite_propagator(names: Sequence[str], warn: Callable[[str], None]) -> TextMapPropagator:
    """The propagators of `names`, in order; unknown ones are left out with a warning."""
    made: list[TextMapPropagator] = []
    for name in names:
        propagator = _propagator(name)
        if propagator is None:
            warn(
                f'OTEL_PROPAGATORS names "{name}", which no installed package provides; install '
                "the package, or take the name out"
            )
        else:
            made.append(propagator)
    return CompositePropagator(made)


def _propagator(name: str) -> TextMapPropagator | None:
    if name in _OURS:
        kind = _XRayLambda if name == "xray-lambda" else _Propagator
        return kind(*_OURS[name])
    if name == "tracecontext":
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        return TraceContextTextMapPropagator()
    if name == "baggage":
        from opentelemetry.baggage.propagation import W3CBaggagePropagator

        return W3CBaggagePropagator()
    from importlib.metadata import entry_points

    for entry_point in entry_points(group="opentelemetry_propagator", name=name):
        loaded: TextMapPropagator = entry_point.load()()
        return loaded
    return None


def extract_parent(headers: Mapping[str, str]) -> propagation.SpanContext | None:
    """The remote parent that the API's global propagator finds; for propagators not in `_OURS`."""
    from opentelemetry.propagate import extract as extract_context

    found = trace.get_current_span(
        extract_context(headers, context_api.Context())
    ).get_span_context()
    if not found.is_valid:
        return None
    return propagation.SpanContext(
        found.trace_id.to_bytes(16, "big"),
        found.span_id.to_bytes(8, "big"),
        int(found.trace_flags),
        found.trace_state.to_header() if found.trace_state else "",
    )
