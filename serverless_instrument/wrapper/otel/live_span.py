"""A span of OpenTelemetry's API over one of our records; in use until the SDK is imported.

It follows the SDK's rules for limits, links, status and exceptions, with one lock for each span.
https://opentelemetry.io/docs/specs/otel/trace/api/#span-operations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace.status import Status, StatusCode

from serverless_instrument.wrapper.otel.span_parts import (
    PLAIN,
    add_links,
    copied_and_counted,
    set_attributes,
    trace_state,
)
from serverless_instrument.wrapper.records import records, type_name
from serverless_instrument.wrapper.records.errors import details, message, stacktrace
from serverless_instrument.wrapper.records.primitives import RLock, time_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import Attributes, AttributeValue

    from serverless_instrument.wrapper.records.records import Limits


def span_context(record: records.Span) -> SpanContext:
    """The API's view of a record's ids."""
    return trace.SpanContext(
        int.from_bytes(record.trace_id, "big"),
        int.from_bytes(record.span_id, "big"),
        is_remote=False,
        trace_flags=trace.TraceFlags(record.flags & 0xFF),
        trace_state=trace_state(record.trace_state),
    )


class LiveSpan(trace.Span):
    """A recording span over a record; `on_end` is called once, with the ended record."""

    def __init__(
        self,
        record: records.Span,
        limits: Limits,
        on_end: Callable[[records.Span], None] | None,
        *,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> None:
        self.record = record
        self._limits = limits
        self._on_end = on_end
        self._context: SpanContext | None = None
        self._lock = RLock()  # a signal handler may touch the span while its thread does
        self._ended = False
        self._record_exception = record_exception
        self._set_status_on_exception = set_status_on_exception

    # The SDK's spans have these; code that asks for the current span reads them.
    name = property(lambda self: self.record.name)
    attributes = property(lambda self: dict(self.record.attributes))
    start_time = property(lambda self: self.record.start_unix_ns)
    context = property(lambda self: self.get_span_context())
    kind = property(lambda self: trace.SpanKind(self.record.kind - 1))
    end_time = property(lambda self: self.record.end_unix_ns or None)
    status = property(
        lambda self: Status(StatusCode(self.record.status_code), self.record.status_message or None)
    )

    def get_span_context(self) -> SpanContext:
        # Made on first use: most spans have no children and no log records.
        context = self._context
        if context is None:
            context = self._context = span_context(self.record)
        return context

    def is_recording(self) -> bool:
        return not self._ended

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if not isinstance(value, PLAIN) or type(key) is not str or not key:
            self.set_attributes({key: value})
            return
        limit = self._limits.attribute_count
        with self._lock:
            if not self._ended:
                attributes = self.record.attributes
                if key in attributes or limit is None or len(attributes) < limit:
                    attributes[key] = value
                else:
                    self.record.dropped_attributes += 1

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        with self._lock:
            if not self._ended:
                set_attributes(self.record, attributes, self._limits.attribute_count)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        now_unix_ns = time_ns() if timestamp is None else timestamp
        event = records.Event(name, now_unix_ns, *copied_and_counted(attributes))
        limit = self._limits.event_count
        with self._lock:
            if self._ended:
                return
            events = self.record.events
            events.append(event)
            if limit is not None and len(events) > limit:
                # The oldest is dropped: an exception is recorded last.
                del events[0]
                self.record.dropped_events += 1

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        with self._lock:
            if not self._ended:
                add_links(self.record, [trace.Link(context, attributes)], self._limits.link_count)

    def update_name(self, name: str) -> None:
        with self._lock:
            if not self._ended:
                self.record.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if isinstance(status, Status):
            code, description = status.status_code, status.description
        else:
            code = status
        with self._lock:
            record = self.record
            # OK is final, and nothing is set back to UNSET.
            if self._ended or record.status_code == records.STATUS_OK or code is StatusCode.UNSET:
                return
            record.status_code = code.value
            record.status_message = description or "" if code is StatusCode.ERROR else ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        recorded = {
            **details(exception, stacktrace(exception, exception.__traceback__)),
            "exception.escaped": str(escaped),
            **(attributes or {}),
        }
        self.add_event("exception", recorded, timestamp)  # type: ignore[arg-type] # plain values

    def end(self, end_time: int | None = None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            record = self.record
            end_unix_ns = time_ns() if end_time is None else end_time
            record.end_unix_ns = max(end_unix_ns, record.start_unix_ns)
        if self._on_end is not None:
            self._on_end(record)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        if error is not None and self.is_recording():
            if self._record_exception:
                self.record_exception(error, escaped=True)
            if self._set_status_on_exception:
                self.set_status(StatusCode.ERROR, f"{type_name(error)}: {message(error)}")
        super().__exit__(kind, error, traceback)  # type: ignore[arg-type] # the API's own type


def unsampled(record: records.Span) -> trace.Span:
    """A span that is not sampled: it records nothing, but its context is propagated."""
    record.flags &= ~records.FLAG_SAMPLED
    return trace.NonRecordingSpan(span_context(record))
