"""Tracer provider on the OpenTelemetry API alone: what runs until something imports the SDK.

Everything the SDK's own does for a span, on our records and encoder: sampler, limits, links, status
and exception rules, one lock a span. ``opentelemetry.sdk.trace`` costs 45 M instructions more
(18 ms); once the function imports it, `Provider.delegate` is the SDK's and makes every new span.

https://opentelemetry.io/docs/specs/otel/trace/sdk/
"""

from __future__ import annotations

import os
from contextlib import contextmanager as plain_contextmanager
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace.status import Status, StatusCode

from serverless_instrument.wrapper import encoder, records
from serverless_instrument.wrapper.errors import details, qualified_name, stacktrace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind
    from opentelemetry.util.types import Attributes, AttributeValue

    from serverless_instrument.wrapper.encoder import Limits

    # (16-byte trace id, parent's SpanContext or None, span name, attributes) -> recorded
    Sampler = Callable[[bytes, SpanContext | None], bool]
    Sink = Callable[[bytes, records.Span], None]

# The API's own works as a decorator of coroutines too; private, and not in every release.
contextmanager: Any = getattr(trace, "_agnosticcontextmanager", plain_contextmanager)

_VALUES = (str, bool, int, float, bytes)


def span_context(record: records.Span, *, sampled: bool) -> SpanContext:
    """The API's view of a record's ids."""
    return trace.SpanContext(
        int.from_bytes(record.trace_id, "big"),
        int.from_bytes(record.span_id, "big"),
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else 0),
        trace_state=trace_state(record.trace_state),
    )


def trace_state(header: str) -> trace.TraceState:
    """The API's view of a tracestate header."""
    return trace.TraceState.from_header([header]) if header else trace.TraceState()


class LiveSpan(trace.Span):
    """A recording span over a record; `on_end` gets the record when it ends, once."""

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
        self._context = span_context(record, sampled=True)
        self._lock = Lock()
        self._ended = False
        self._record_exception = record_exception
        self._set_status_on_exception = set_status_on_exception

    # What the SDK's spans show, and code that is handed "the current span" reads.
    name = property(lambda self: self.record.name)
    attributes = property(lambda self: dict(self.record.attributes))
    start_time = property(lambda self: self.record.start_unix_ns)
    context = property(lambda self: self._context)
    kind = property(lambda self: trace.SpanKind(self.record.kind - 1))

    def get_span_context(self) -> SpanContext:
        return self._context

    def is_recording(self) -> bool:
        return not self._ended

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        with self._lock:
            if not self._ended:
                put(self.record, attributes, self._limits.attribute_count)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        event = records.Event(name, timestamp or time_ns(), copied(attributes))
        with self._lock:
            if not self._ended:
                self.record.events.append(event)

    def addlink(self, context: SpanContext, attributes: Attributes = None) -> None:
        with self._lock:
            if not self._ended and context.is_valid:
                self.record.links.append(link(context, attributes))

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
        escaped: bool = False,  # noqa: ARG002 - the API's signature
    ) -> None:
        told = {
            **details(exception, stacktrace(exception, exception.__traceback__)),
            **copied(attributes),
        }
        self.add_event("exception", told, timestamp)  # type: ignore[arg-type] # plain values

    def end(self, end_time: int | None = None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            record = self.record
            record.end_unix_ns = max(end_time or time_ns(), record.start_unix_ns)
        if self._on_end is not None:
            self._on_end(record)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        if isinstance(error, Exception) and self.is_recording():
            if self._record_exception:
                self.record_exception(error)
            if self._set_status_on_exception:
                self.set_status(StatusCode.ERROR, f"{qualified_name(type(error))}: {error}")
        super().__exit__(kind, error, traceback)  # type: ignore[arg-type] # the API's own type


def copied(attributes: Attributes) -> dict[str, object]:
    """`attributes` with what a caller could change later copied; keys that are no text left out."""
    if not attributes:
        return {}
    return {
        key: value if isinstance(value, _VALUES) else _frozen(value)
        for key, value in attributes.items()
        if isinstance(key, str) and value is not None  # type: ignore[redundant-expr] # callers are untyped
    }


def _frozen(value: object) -> object:
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(value)
    return dict(value) if isinstance(value, dict) else value


def put(record: records.Span, attributes: Attributes, limit: int | None) -> None:
    """Set attributes on `record`; over `limit`, new keys are dropped and counted."""
    target = record.attributes
    for key, value in copied(attributes).items():
        if key in target or limit is None or len(target) < limit:
            target[key] = value
        else:
            record.dropped_attributes += 1


def link(context: SpanContext, attributes: Attributes) -> records.Link:
    """Our record of a link."""
    return records.Link(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        context.trace_state.to_header() if context.trace_state else "",
        int(context.trace_flags)
        | records.FLAG_HAS_IS_REMOTE
        | (records.FLAG_IS_REMOTE if context.is_remote else 0),
        copied(attributes),
    )


class Tracer(trace.Tracer):
    """Makes `LiveSpan`s of one instrumentation scope, or has the SDK's provider make its spans."""

    def __init__(self, provider: Provider, scope: bytes, delegate: Callable[[], trace.Tracer]):
        self._provider = provider
        self._scope = scope
        self._make_delegate = delegate
        self._delegate: trace.Tracer | None = None

    def _other(self) -> trace.Tracer | None:
        if self._delegate is None and self._provider.delegate is not None:
            self._delegate = self._make_delegate()
        return self._delegate

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = trace.SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        other = self._other()
        if other is not None:
            return other.start_span(
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            )
        parent: SpanContext | None = trace.get_current_span(context).get_span_context()
        if parent is not None and not parent.is_valid:
            parent = None
        record = _record(name, kind, parent, start_time)
        if not self._provider.sampler(record.trace_id, parent):
            return trace.NonRecordingSpan(span_context(record, sampled=False))
        put(record, attributes, self._provider.limits.attribute_count)
        record.links += [link(each.context, each.attributes) for each in links or ()]
        return LiveSpan(
            record,
            self._provider.limits,
            lambda ended: self._provider.sink(self._scope, ended),
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        )

    @contextmanager  # type: ignore[untyped-decorator] # found at run time
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = trace.SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[trace.Span]:
        span = self.start_span(
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
        )
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ) as current:
            yield current


def _record(
    name: str, kind: SpanKind, parent: SpanContext | None, start_time: int | None
) -> records.Span:
    flags = records.FLAG_SAMPLED | records.FLAG_HAS_IS_REMOTE
    if parent is None:
        trace_id, parent_span_id, state = os.urandom(16), b"", ""
    else:
        trace_id = parent.trace_id.to_bytes(16, "big")
        parent_span_id = parent.span_id.to_bytes(8, "big")
        state = parent.trace_state.to_header() if parent.trace_state else ""
        flags |= records.FLAG_IS_REMOTE if parent.is_remote else 0
    return records.Span(
        name,
        kind.value + 1,
        trace_id,
        os.urandom(8),
        start_time or time_ns(),
        {},
        parent_span_id,
        state,
        flags,
    )


class Provider(trace.TracerProvider):
    """The global tracer provider until the SDK is imported; then a way to its provider.

    Args:
        sampler: decides on a trace id and the parent.
        limits: of spans.
        sink: gets (scope fields, ended record).
        sdk_provider: imports the SDK and makes its provider.
    """

    def __init__(
        self,
        sampler: Sampler,
        limits: Limits,
        sink: Sink,
        sdk_provider: Callable[[], trace.TracerProvider],
    ) -> None:
        self.sampler = sampler
        self.limits = limits
        self.sink = sink
        self.delegate: trace.TracerProvider | None = None
        # Whether the user has set a provider; the API allows it once.
        self.users = False
        self._sdk_provider = sdk_provider
        self._tracers: dict[tuple[object, ...], Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        name, version = instrumenting_module_name or "", instrumenting_library_version or ""
        key = (name, version, schema_url, tuple((attributes or {}).items()))
        tracer = self._tracers.get(key)
        if tracer is None:
            scope = encoder.scope(name, version, schema_url or "", copied(attributes))
            tracer = Tracer(
                self,
                scope,
                lambda: (self.delegate or self._sdk_provider()).get_tracer(
                    name, version, schema_url
                ),
            )
            self._tracers[key] = tracer
        return tracer

    def __getattr__(self, name: str) -> object:
        """What only the SDK's provider has: add_span_processor, resource, force_flush, shutdown."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.delegate or self._sdk_provider(), name)


def attach(span: trace.Span, baggage: Mapping[str, str]) -> object:
    """Make `span` the current one, with `baggage`; what `detach` takes."""
    context = trace.set_span_in_context(span)
    if baggage:
        from opentelemetry.baggage import set_baggage

        for key, value in baggage.items():
            context = set_baggage(key, value, context)
    return context_api.attach(context)


def detach(token: object) -> None:
    """Undo `attach`; where another context has been entered since, there is nothing to undo.

    The API's own detach would log that as an error, in the user's log.
    """
    try:
        token.var.reset(token)  # type: ignore[attr-defined] # a contextvars.Token
    except (AttributeError, ValueError, RuntimeError):
        return


def unsampled(record: records.Span) -> trace.Span:
    """The span of an invocation that is not sampled: its context goes on, nothing is recorded."""
    return trace.NonRecordingSpan(span_context(record, sampled=False))
