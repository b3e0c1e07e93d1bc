"""Spans and metrics that the function makes through `serverless_instrument.api`.

Spans are made by OpenTelemetry's tracer where the function has loaded it, otherwise on our records.
"""

from __future__ import annotations

import sys
from functools import partial

from serverless_instrument.wire import __version__
from serverless_instrument.wrapper import instrumentation
from serverless_instrument.wrapper.metrics import metric_arguments
from serverless_instrument.wrapper.record_span import (
    RecordSpan,
    detach_from_otel,
    innermost_span,
)
from serverless_instrument.wrapper.records import current_span, errors, is_ours, records, type_name
from serverless_instrument.wrapper.records.function_identity import copy_identity, plain_function
from serverless_instrument.wrapper.records.primitives import random_bytes, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE
_SCOPE_NAME = "serverless_instrument"


def innermost_record_span() -> RecordSpan:
    """The innermost open span of this context; the invocation's, if it is running, by default."""
    span = innermost_span.get()
    invocation_span = instrumentation.open_span()
    # One of an earlier invocation is still in the context if an exception cut off its end.
    if span is not None and span.root is invocation_span is not None and span.is_recording():
        return span
    return RecordSpan(invocation_span, invocation_span)


# Log records carry the ids of the current span.
current_span.use_record_spans(lambda: innermost_record_span().record)


def measure(name: object, value: object, unit: object, attributes: object, kind: object) -> None:
    """Record one value of a metric, or warn of what cannot be recorded. Never raises."""
    try:
        valid_name = metric_arguments.name(name)
        valid_value = metric_arguments.number(value)
        valid_kind = metric_arguments.kind(kind)
    except metric_arguments.RefusedError as refused:
        _warn_once(name, refused)
        return
    valid_attributes = None
    if attributes is not None:
        try:
            valid_attributes = metric_arguments.attributes(attributes)
        except metric_arguments.RefusedError as refused:
            _warn_once(name, refused)
    valid_unit = metric_arguments.unit(unit)
    instrumentation.measure(valid_name, valid_value, valid_unit, valid_attributes, valid_kind)


# Names of the metrics that a warning has been written for.
_warned_of: set[str] = set()
_MAX_WARNED_OF = 20


def _warn_once(name: object, reason: Exception) -> None:
    """Write one line for each metric, up to a limit, of what cannot be recorded."""
    text = str.__str__(name) if isinstance(name, str) else metric_arguments.shown(name)
    if text not in _warned_of and len(_warned_of) < _MAX_WARNED_OF:
        _warned_of.add(text)
        instrumentation.warn(f'metric "{text:.100}": {reason}')


class SpanScope:
    """A context manager that opens a span for its block; or a decorator, for each call."""

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
        """`function`, which opens a span in each call."""
        name, attributes = self._name, self._attributes
        if _is_coroutine_function(function):

            async def waiting(*arguments: Any, **options: Any) -> Any:
                with SpanScope(name, attributes):
                    return await function(*arguments, **options)

            copy_identity(waiting, function)
            return waiting

        def calling(*arguments: Any, **options: Any) -> Any:
            with SpanScope(name, attributes):
                return function(*arguments, **options)

        copy_identity(calling, function)
        return calling


def _is_coroutine_function(target: object) -> bool:
    """What inspect.iscoroutinefunction finds, without asking an object of the function's."""
    while type(target) is partial:
        target = target.func
    function = plain_function(target)
    return function is not None and bool(function.__code__.co_flags & _CO_COROUTINE)


class _RecordScope:
    """A context manager that opens a span on a record of ours and sends it at the end."""

    def __init__(self, name: str, attributes: Mapping[str, object]) -> None:
        innermost = innermost_record_span()
        parent = innermost.record
        self._span = RecordSpan()
        if parent is not None:
            self._span = RecordSpan(
                records.Span(
                    name,
                    records.KIND_INTERNAL,
                    parent.trace_id,
                    random_bytes(8),
                    time_ns(),
                    dict(attributes),
                    parent.span_id,
                    parent.trace_state,
                    (parent.flags & 0xFF) | records.FLAG_HAS_IS_REMOTE,
                ),
                innermost.root,
            )

    def __enter__(self) -> RecordSpan:
        before = innermost_span.get()
        try:
            self._token = innermost_span.set(self._span)
        except BaseException:  # of a signal handler: the block is not entered
            innermost_span.set(before)
            raise
        return self._span

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            innermost_span.reset(self._token)
        except ValueError:  # the block ends in another context than it began in
            innermost_span.set(None)
        detach_from_otel(self._span)
        record = self._span.record
        if record is None:
            return
        if isinstance(error, Exception):
            self._span.record_exception(error)
            record.status_code = records.STATUS_ERROR
            record.status_message = f"{type_name(error)}: {errors.message(error)}"
        record.end_unix_ns = max(time_ns(), record.start_unix_ns)
        try:
            instrumentation.send_span(record)
        except Exception as fault:  # the span is lost, the user's block is not
            if not is_ours(fault):
                raise
            return
