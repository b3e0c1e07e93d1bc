"""What a function may call: the decorator, and spans of its own with or without the SDK.

Everything here works the same whether OpenTelemetry is loaded or not, never raises for want of an
invocation, and does nothing outside Lambda.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from serverless_instrument.wrapper import manual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Handler = TypeVar("Handler", bound=Callable[..., object])
    Attributes = Mapping[str, object]

__all__ = [
    "Span",
    "capture_error",
    "capture_warning",
    "create_span",
    "current_span",
    "instrument",
    "metric",
    "record_exception",
    "set_attribute",
]


class Span(Protocol):
    """What `current_span` returns: OpenTelemetry's span, or ours where it is not loaded."""

    def set_attribute(self, key: str, value: object) -> None:
        """Set one attribute: str, bool, int, float or a sequence of one of these."""
        ...

    def add_event(self, name: str, attributes: Attributes | None = None) -> None:
        """Add an event at this moment."""
        ...

    def record_exception(
        self, exception: BaseException, attributes: Attributes | None = None
    ) -> None:
        """Add an ``exception`` event with type, message and stack trace."""
        ...

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        ...

    def is_recording(self) -> bool:
        """Whether what is set on the span goes anywhere."""
        ...


@overload
def instrument(handler: Handler, /) -> Handler: ...


@overload
def instrument(*, attributes: Attributes | None = None) -> Callable[[Handler], Handler]: ...


def instrument(
    handler: Handler | None = None, /, *, attributes: Attributes | None = None
) -> Handler | Callable[[Handler], Handler]:
    """Instrument a Lambda handler: ``@instrument`` or ``@instrument(attributes={…})``.

    Together with the exec wrapper the handler is instrumented once. Outside Lambda, in a test, the
    handler is returned as it is, with one debug line.

    Args:
        handler: a function of event and context.
        attributes: set on every invocation's span.
    """
    if handler is None:
        return lambda decorated: _instrumented(decorated, attributes)
    return _instrumented(handler, attributes)


def _instrumented(handler: Handler, attributes: Attributes | None) -> Handler:
    if not os.environ.get("AWS_LAMBDA_RUNTIME_API"):
        import logging

        from serverless_instrument.wrapper.records.function_identity import plain_function

        function = plain_function(handler)
        logging.getLogger("serverless_instrument").debug(
            "not in Lambda: %s is not instrumented",
            function.__name__ if function is not None else type(handler).__name__,
        )
        return handler
    from serverless_instrument.wrapper import bootstrap

    decorated: Handler = bootstrap.decorated(handler, attributes)  # type: ignore[assignment] # same signature
    return decorated


def current_span() -> Span:
    """The innermost span that is open here; one that records nothing where there is none."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None and hasattr(trace, "get_current_span"):
        span: Span = trace.get_current_span()
        return span
    return manual.innermost_record_span()


def set_attribute(key: str, value: object) -> None:
    """Set an attribute of the current span."""
    current_span().set_attribute(key, value)


def record_exception(error: BaseException, attributes: Attributes | None = None) -> None:
    """Record an exception that has been handled on the current span, which stays a success."""
    current_span().record_exception(error, attributes)


def capture_error(
    error: BaseException | str | None = None, attributes: Attributes | None = None
) -> None:
    """Record an error that has been handled on the current span, which stays a success.

    Args:
        error: an exception, or a text; the exception that is being handled if None.
        attributes: of the event.
    """
    if error is None:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        record_exception(error, attributes)
    elif error is not None:
        current_span().add_event("error", {"message": str(error), **(attributes or {})})


def capture_warning(message: str, attributes: Attributes | None = None) -> None:
    """Add a ``warning`` event with `message` to the current span."""
    current_span().add_event("warning", {"message": str(message), **(attributes or {})})


def create_span(name: str, attributes: Attributes | None = None) -> manual.SpanScope:
    """A child of the current span, as a context manager or a decorator.

    ``with create_span("work") as span: …``, or ``@create_span("work")`` on a function or coroutine
    function. An exception is recorded, makes the span an error and goes on.
    """
    return manual.SpanScope(name, dict(attributes or {}))


def metric(
    name: str,
    value: float,
    unit: str = "",
    attributes: Attributes | None = None,
    kind: str = "histogram",
) -> None:
    """Record one value of a metric; sent at the end of the invocation, merged by the forwarder.

    It needs no OpenTelemetry in the function. It never raises: a value that is no finite number is
    left out, with one line in the log for each metric.

    Args:
        name: such as ``"orders.total"``, of at most 255 characters.
        value: a finite int or float.
        unit: in UCUM, such as ``"ms"``, ``"By"`` or ``"{order}"``.
        attributes: a dict of few different values: each combination is a series of its own.
        kind: ``"histogram"`` for the distribution of values, ``"counter"`` for their sum,
            ``"gauge"`` for the last one.
    """
    manual.measure(name, value, unit, attributes, kind)
