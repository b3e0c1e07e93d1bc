"""Spans that the function makes through `serverless_instrument.api` without OpenTelemetry.

They are views of our records. The innermost one is in a context variable, as OpenTelemetry's is.
"""

from __future__ import annotations

from contextvars import ContextVar

from serverless_instrument.wrapper.records import errors, records
from serverless_instrument.wrapper.records.primitives import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.wrapper.records.records import Limits

innermost_span: ContextVar[RecordSpan | None] = ContextVar(
    "serverless_instrument_span", default=None
)


class RecordSpan:
    """A span over a record; one that records nothing where `record` is None.

    `root` is the span of the invocation that it belongs to.
    """

    __slots__ = ("record", "root", "token")

    def __init__(
        self, record: records.Span | None = None, root: records.Span | None = None
    ) -> None:
        self.record = record
        self.root = root
        # Of OpenTelemetry's context, where the API has been imported while the span was open.
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
            details = {**errors.details(exception, trace), "exception.escaped": "False"}
            self.add_event("exception", {**details, **(attributes or {})})

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        if self.record is not None:
            self.record.name = name

    def is_recording(self) -> bool:
        """Whether there is a record that has not ended."""
        return self.record is not None and not self.record.end_unix_ns


def attach_to_otel(limits: Limits) -> None:
    """Make the innermost open span of this context OpenTelemetry's current span, too."""
    span = innermost_span.get()
    if span is not None and span.record is not None and span.is_recording():
        from serverless_instrument.wrapper.otel import tracer
        from serverless_instrument.wrapper.otel.live_span import LiveSpan

        live = LiveSpan(span.record, limits, None)
        span.token = tracer.attach(tracer.context_of(live, {}))


def detach_from_otel(span: RecordSpan) -> None:
    """Undo `attach_to_otel` for `span`, if it has been attached."""
    if span.token is not None:
        from serverless_instrument.wrapper.otel import tracer

        tracer.detach(span.token)
