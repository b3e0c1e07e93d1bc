"""Tracer provider on the OpenTelemetry API alone: what runs until something imports the SDK.

``opentelemetry.sdk.trace`` costs 45 M instructions more (18 ms); once the function imports it,
`Provider.delegate` is the SDK's and makes every new span.

https://opentelemetry.io/docs/specs/otel/trace/sdk/
"""

from __future__ import annotations

import os
from contextlib import contextmanager as plain_contextmanager
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import trace

from serverless_instrument.wrapper.otel.live_span import LiveSpan, unsampled
from serverless_instrument.wrapper.otel.span_parts import add_links, copied, put
from serverless_instrument.wrapper.records import encoder, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind
    from opentelemetry.util.types import Attributes

    from serverless_instrument.wrapper.records.records import Limits

    # (16-byte trace id, parent's SpanContext or None) -> recorded
    Sampler = Callable[[bytes, SpanContext | None], bool]
    Sink = Callable[[bytes, records.Span], None]

# The API's own works as a decorator of coroutines too; private, and not in every release.
contextmanager: Any = getattr(trace, "_agnosticcontextmanager", plain_contextmanager)


def own_tracer(provider: trace.TracerProvider, *arguments: Any) -> trace.Tracer:
    """A tracer that makes the spans of `provider` itself, and always will."""
    made: trace.Tracer = getattr(provider, "own_tracer", provider.get_tracer)(*arguments)
    return made


class Tracer(trace.Tracer):
    """Makes `LiveSpan`s of one instrumentation scope, or has the provider in use make its spans.

    Like the API's own proxies, so that a tracer may be older than the provider.
    """

    def __init__(self, provider: Provider, scope: bytes, arguments: tuple[Any, ...]) -> None:
        self._provider = provider
        self._scope = scope
        self._arguments = arguments
        self._delegate: trace.Tracer | None = None
        self._delegates_provider: trace.TracerProvider | None = None

    def _other(self) -> trace.Tracer | None:
        delegate = self._provider.delegate
        if delegate is not self._delegates_provider and delegate is not None:
            self._delegate = own_tracer(delegate, *self._arguments)
            self._delegates_provider = delegate
        return self._delegate

    def __getattr__(self, name: str) -> object:
        """What only the SDK's tracers have."""
        other = None if name.startswith("_") else self._other()
        if other is None:
            raise AttributeError(name)
        return getattr(other, name)

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
        self._provider.open[record.span_id] = (self._scope, record)
        if self._provider.started is not None:
            self._provider.started(self._scope, record)
        return LiveSpan(
            record,
            limits,
            lambda ended: self._provider.ended(self._scope, ended),
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

    `started`, where set, gets (scope fields, record) of each span that begins.
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
        self.started: Callable[[bytes, records.Span], None] | None = None
        self.delegate: trace.TracerProvider | None = None
        # Whether the user has set a provider; the API allows it once.
        self.users = False
        # By span id, with the scope: what has not ended.
        self.open: dict[bytes, tuple[bytes, records.Span]] = {}
        self._sdk_provider = sdk_provider
        self._tracers: dict[tuple[object, ...], Tracer] = {}

    def ended(self, scope: bytes, record: records.Span) -> None:
        """A span is over."""
        self.open.pop(record.span_id, None)
        self.sink(scope, record)

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
            # Attributes came to get_tracer after 1.25.
            arguments = (name, version, schema_url, *((attributes,) if told else ()))
            tracer = Tracer(self, encoder.scope(name, version, schema_url or "", told), arguments)
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
