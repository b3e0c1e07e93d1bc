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
from serverless_instrument.wrapper.errors import details, message, stacktrace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind
    from opentelemetry.util.types import Attributes, AttributeValue

    from serverless_instrument.wrapper.encoder import Limits

    # (16-byte trace id, parent's SpanContext or None) -> recorded
    Sampler = Callable[[bytes, SpanContext | None], bool]
    Sink = Callable[[bytes, records.Span], None]

# The API's own works as a decorator of coroutines too; private, and not in every release.
contextmanager: Any = getattr(trace, "_agnosticcontextmanager", plain_contextmanager)

_VALUES = (str, bool, int, float, bytes)


def span_context(record: records.Span) -> SpanContext:
    """The API's view of a record's ids."""
    return trace.SpanContext(
        int.from_bytes(record.trace_id, "big"),
        int.from_bytes(record.span_id, "big"),
        is_remote=False,
        trace_flags=trace.TraceFlags(record.flags & 0xFF),
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
        self._context = span_context(record)
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
    end_time = property(lambda self: self.record.end_unix_ns or None)
    status = property(
        lambda self: Status(StatusCode(self.record.status_code), self.record.status_message or None)
    )

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
        now_unix_ns = time_ns() if timestamp is None else timestamp
        event = records.Event(name, now_unix_ns, *_counted(attributes))
        limit = self._limits.event_count
        with self._lock:
            if self._ended:
                return
            events = self.record.events
            events.append(event)
            if limit is not None and len(events) > limit:
                # The latest are the telling ones: an exception is recorded last.
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
        told = {
            **details(exception, stacktrace(exception, exception.__traceback__)),
            "exception.escaped": str(escaped),
            **(attributes or {}),
        }
        self.add_event("exception", told, timestamp)  # type: ignore[arg-type] # plain values

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
                self.set_status(StatusCode.ERROR, f"{type(error).__name__}: {message(error)}")
        super().__exit__(kind, error, traceback)  # type: ignore[arg-type] # the API's own type


def copied(attributes: Attributes) -> dict[str, object]:
    """`attributes` with what a caller could change later copied; empty keys left out."""
    if not attributes:
        return {}
    return {
        key if isinstance(key, str) else str(key): value  # type: ignore[redundant-expr] # callers are untyped
        if value is None or isinstance(value, _VALUES)
        else _frozen(value)
        for key, value in attributes.items()
        if key
    }


def _counted(attributes: Attributes) -> tuple[dict[str, object], int]:
    """Copied attributes, and how many are left out."""
    taken = copied(attributes)
    return taken, len(attributes or ()) - len(taken)


def _frozen(value: object) -> object:
    try:
        if isinstance(value, (list, tuple, set, frozenset)):
            return tuple([_frozen(item) for item in value])
        if isinstance(value, dict):
            return {key: _frozen(item) for key, item in value.items()}
        return value if value is None or isinstance(value, _VALUES) else str(value)
    except Exception:  # it holds itself, or is of the user's own making: the encoder's to sort out
        return value


def put(record: records.Span, attributes: Attributes, limit: int | None) -> None:
    """Set attributes on `record`; over `limit`, new keys are dropped and counted."""
    if not attributes:
        return
    target = record.attributes
    taken, dropped = _counted(attributes)
    record.dropped_attributes += dropped
    for key, value in taken.items():
        if key in target or limit is None or len(target) < limit:
            target[key] = value
        else:
            record.dropped_attributes += 1


def add_links(record: records.Span, links: Sequence[Link], limit: int | None) -> None:
    """Add links that name a span or say anything else; over `limit` they are counted."""
    for each in links:
        context, attributes = each.context, each.attributes
        if not (context.is_valid or attributes or context.trace_state):
            continue
        if limit is None or len(record.links) < limit:
            record.links.append(link(context, attributes))
        else:
            record.dropped_links += 1


def link(context: SpanContext, attributes: Attributes, dropped_attributes: int = 0) -> records.Link:
    """Our record of a link; `dropped_attributes` are gone already."""
    taken, dropped = _counted(attributes)
    return records.Link(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        context.trace_state.to_header() if context.trace_state else "",
        int(context.trace_flags)
        | records.FLAG_HAS_IS_REMOTE
        | (records.FLAG_IS_REMOTE if context.is_remote else 0),
        taken,
        dropped + dropped_attributes,
    )


def api_link(record: records.Link) -> Link:
    """The API's view of a link."""
    context = trace.SpanContext(
        int.from_bytes(record.trace_id, "big"),
        int.from_bytes(record.span_id, "big"),
        is_remote=bool(record.flags & records.FLAG_IS_REMOTE),
        trace_flags=trace.TraceFlags(record.flags & 0xFF),
        trace_state=trace_state(record.trace_state),
    )
    return trace.Link(context, dict(record.attributes))  # type: ignore[arg-type] # plain values


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
            return unsampled(record)
        limits = self._provider.limits
        put(record, attributes, limits.attribute_count)
        add_links(record, links or (), limits.link_count)
        return LiveSpan(
            record,
            limits,
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
        flags |= records.FLAG_RANDOM
    else:
        trace_id = parent.trace_id.to_bytes(16, "big")
        parent_span_id = parent.span_id.to_bytes(8, "big")
        state = parent.trace_state.to_header() if parent.trace_state else ""
        flags |= parent.trace_flags & records.FLAG_RANDOM
        flags |= records.FLAG_IS_REMOTE if parent.is_remote else 0
    return records.Span(
        name,
        kind.value + 1,
        trace_id,
        os.urandom(8),
        time_ns() if start_time is None else start_time,
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
        told = copied(attributes)
        key = (name, version, schema_url, repr(told))
        tracer = self._tracers.get(key)
        if tracer is None:
            arguments = (name, version, schema_url, *((attributes,) if told else ()))
            tracer = Tracer(
                self,
                encoder.scope(name, version, schema_url or "", told),
                lambda: (self.delegate or self._sdk_provider()).get_tracer(*arguments),
            )
            self._tracers[key] = tracer
        return tracer

    def __getattr__(self, name: str) -> object:
        """What only the SDK's provider has: add_span_processor, resource, force_flush, shutdown."""
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            provider = self.delegate or self._sdk_provider()
        except Exception as error:  # hasattr is a question, to which no is an answer
            msg = f"{name} needs opentelemetry-sdk: {error}"
            raise AttributeError(msg) from None
        return getattr(provider, name)


def context_of(span: trace.Span, baggage: Mapping[str, str]) -> Context:
    """The current context with `span` as the current one, and with `baggage`."""
    context = trace.set_span_in_context(span)
    if baggage:
        from opentelemetry.baggage import set_baggage

        for key, value in baggage.items():
            context = set_baggage(key, value, context)
    return context


def attach(context: Context) -> object:
    """Enter `context`; what `detach` takes."""
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
    """A span that is not sampled: its context goes on, nothing is recorded."""
    record.flags &= ~records.FLAG_SAMPLED
    return trace.NonRecordingSpan(span_context(record))
