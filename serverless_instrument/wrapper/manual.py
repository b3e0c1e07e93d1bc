"""Spans and metrics that the function makes through `serverless_instrument.api`.

Spans on OpenTelemetry's tracer where the function has loaded it, on records of ours where not.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from functools import wraps
from time import time_ns

from serverless_instrument.wire import __version__
from serverless_instrument.wrapper import bootstrap
from serverless_instrument.wrapper.metrics import metric_arguments
from serverless_instrument.wrapper.records import errors, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from serverless_instrument.wrapper.records.encoder import Limits

_SCOPE_NAME = "serverless_instrument"
_current: ContextVar[RecordSpan | None] = ContextVar("serverless_instrument_span", default=None)


class RecordSpan:
    """A span over a record; without one it records nothing."""

    __slots__ = ("record", "token")

    def __init__(self, record: records.Span | None) -> None:
        self.record = record
        # Of OpenTelemetry's context, where that came while the span was open.
        self.token: object = None

    def set_attribute(self, key: str, value: object) -> None:
        """Set one attribute."""
        if self.record is not None:
            self.record.attributes[str(key)] = value

    def add_event(self, name: str, attributes: Mapping[str, object] | None = None) -> None:
        """Add an event at this moment."""
        if self.record is not None:
            self.record.events.append(records.Event(name, time_ns(), dict(attributes or {})))

    def record_exception(
        self, exception: BaseException, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Add an ``exception`` event."""
        if self.record is not None:
            trace = errors.stacktrace(exception, exception.__traceback__)
            told = {**errors.details(exception, trace), "exception.escaped": "False"}
            self.add_event("exception", {**told, **(attributes or {})})

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        if self.record is not None:
            self.record.name = name

    def is_recording(self) -> bool:
        """Whether there is a record that has not ended."""
        return self.record is not None and not self.record.end_unix_ns


def current() -> RecordSpan:
    """The innermost span that is open in this context."""
    span = _current.get()
    invocation = bootstrap.open_span()
    if span is not None and span.is_recording() and invocation is not None:
        return span
    return RecordSpan(invocation)


def measure(name: object, value: object, unit: object, attributes: object, kind: object) -> None:
    """Record one value of a metric, or say why not. Never raises."""
    try:
        told_name = metric_arguments.name(name)
        told_value = metric_arguments.number(value)
        told_kind = metric_arguments.kind(kind)
    except metric_arguments.RefusedError as refused:
        _refuse(name, refused)
        return
    told = None
    if attributes is not None:
        try:
            told = metric_arguments.attributes(attributes)
        except metric_arguments.RefusedError as refused:
            _refuse(name, refused)
    bootstrap.measure(told_name, told_value, metric_arguments.unit(unit), told, told_kind)


# Names of metrics that something has been said of.
_refused: set[str] = set()
_MOST_REFUSED = 20


def _refuse(name: object, why: Exception) -> None:
    """Say, once for a metric, what cannot be recorded."""
    told = str.__str__(name) if isinstance(name, str) else metric_arguments.shown(name)
    if told not in _refused and len(_refused) < _MOST_REFUSED:
        _refused.add(told)
        bootstrap.warn(f'metric "{told:.100}": {why}')


def otel_imported(limits: Limits) -> None:
    """Make the innermost span that is open here OpenTelemetry's current one, too."""
    span = _current.get()
    if span is not None and span.record is not None and span.is_recording():
        from serverless_instrument.wrapper.otel import tracer
        from serverless_instrument.wrapper.otel.live_span import LiveSpan

        live = LiveSpan(span.record, limits, None)
        span.token = tracer.attach(tracer.context_of(live, {}))


class SpanScope:
    """A span for the length of a block, or of every call of the function that it decorates."""

    def __init__(self, name: str, attributes: dict[str, object]) -> None:
        self._name = name
        self._attributes = attributes
        self._open: list[Any] = []

    def __enter__(self) -> Any:
        trace = sys.modules.get("opentelemetry.trace")
        if trace is not None and hasattr(trace, "get_tracer"):
            scope = trace.get_tracer(_SCOPE_NAME, __version__).start_as_current_span(
                self._name, attributes=self._attributes
            )
        else:
            scope = _RecordScope(self._name, self._attributes)
        self._open.append(scope)
        return scope.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._open.pop().__exit__(*exception)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate `function`: each call is a span."""
        from inspect import iscoroutinefunction

        name, attributes = self._name, self._attributes
        if iscoroutinefunction(function):

            @wraps(function)
            async def waiting(*arguments: Any, **options: Any) -> Any:
                with SpanScope(name, attributes):
                    return await function(*arguments, **options)

            return waiting

        @wraps(function)
        def calling(*arguments: Any, **options: Any) -> Any:
            with SpanScope(name, attributes):
                return function(*arguments, **options)

        return calling


class _RecordScope:
    """One open span of ours."""

    def __init__(self, name: str, attributes: Mapping[str, object]) -> None:
        parent = current().record
        self._span = RecordSpan(None)
        if parent is not None:
            self._span = RecordSpan(
                records.Span(
                    name,
                    records.KIND_INTERNAL,
                    parent.trace_id,
                    os.urandom(8),
                    time_ns(),
                    dict(attributes),
                    parent.span_id,
                    parent.trace_state,
                    (parent.flags & 0xFF) | records.FLAG_HAS_IS_REMOTE,
                )
            )

    def __enter__(self) -> RecordSpan:
        self._token = _current.set(self._span)
        return self._span

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            _current.reset(self._token)
        except ValueError:  # left in another context than it was entered in
            _current.set(None)
        if self._span.token is not None:
            from serverless_instrument.wrapper.otel import tracer

            tracer.detach(self._span.token)
        record = self._span.record
        if record is None:
            return
        if isinstance(error, Exception):
            self._span.record_exception(error)
            record.status_code = records.STATUS_ERROR
            record.status_message = f"{type(error).__name__}: {errors.message(error)}"
        record.end_unix_ns = max(time_ns(), record.start_unix_ns)
        try:
            bootstrap.send_span(record)
        except Exception:  # telemetry of ours to lose, never a call of the user's
            return
