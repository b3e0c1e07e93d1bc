"""Tracer provider on the OpenTelemetry API alone; in use until something imports the SDK.

Importing ``opentelemetry.sdk.trace`` costs 45 M instructions more (18 ms). Once the function
imports it, `Provider.delegate` is the SDK's provider and makes every new span.

https://opentelemetry.io/docs/specs/otel/trace/sdk/
"""

from __future__ import annotations

from contextlib import contextmanager as plain_contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import trace

from serverless_instrument.wrapper.otel.live_span import LiveSpan, unsampled
from serverless_instrument.wrapper.otel.span_parts import add_links, copied, set_attributes
from serverless_instrument.wrapper.records import encoder, is_ours, records
from serverless_instrument.wrapper.records.primitives import random_bytes, time_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind
    from opentelemetry.util.types import Attributes

    from serverless_instrument.wrapper.records.records import Limits

    # (16-byte trace id, parent's SpanContext or None) -> is the span recorded?
    Sampler = Callable[[bytes, SpanContext | None], bool]
    # (scope fields, record)
    SpanCallback = Callable[[bytes, records.Span], None]

# The API's own also decorates coroutines; it is private and not in every release.
contextmanager: Any = getattr(trace, "_agnosticcontextmanager", plain_contextmanager)

# How many different instrumentation scopes are kept for their next use.
MAX_SCOPES = 1000


def own_tracer(provider: trace.TracerProvider, *arguments: Any) -> trace.Tracer:
    """A tracer of `provider` that never delegates to another provider."""
    made: trace.Tracer = getattr(provider, "own_tracer", provider.get_tracer)(*arguments)
    return made


class Tracer(trace.Tracer):
    """Makes `LiveSpan`s of one instrumentation scope, or delegates to the provider in use.

    Delegation works as in the API's own proxies: a tracer may be older than the provider.
    """

    def __init__(self, provider: Provider, scope: bytes, arguments: tuple[Any, ...]) -> None:
        self._provider = provider
        self._scope = scope
        self._arguments = arguments
        self._delegate: trace.Tracer | None = None
        self._delegate_provider: trace.TracerProvider | None = None

    def _current_delegate(self) -> trace.Tracer | None:
        delegate = self._provider.delegate
        if delegate is not self._delegate_provider and delegate is not None:
            self._delegate = own_tracer(delegate, *self._arguments)
            self._delegate_provider = delegate
        return self._delegate

    def __getattr__(self, name: str) -> object:
        """An attribute that only the SDK's tracers have."""
        delegate = None if name.startswith("_") else self._current_delegate()
        if delegate is None:
            raise AttributeError(name)
        return getattr(delegate, name)

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
        delegate = self._current_delegate()
        if delegate is not None:
            return delegate.start_span(
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
        set_attributes(record, attributes, limits.attribute_count)
        add_links(record, links or (), limits.link_count)
        self._provider.open_spans[record.span_id] = (self._scope, record)
        if self._provider.on_span_start is not None:
            self._provider.on_span_start(self._scope, record)
        return LiveSpan(
            record,
            limits,
            lambda ended: self._provider.end_span(self._scope, ended),
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
        trace_id, parent_span_id, state = random_bytes(16), b"", ""
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
        random_bytes(8),
        time_ns() if start_time is None else start_time,
        {},
        parent_span_id,
        state,
        flags,
    )


class Provider(trace.TracerProvider):
    """The global tracer provider until the SDK is imported; afterwards it delegates to the SDK's.

    Args:
        sampler: decides by trace id and parent whether a span is recorded.
        limits: of spans.
        export_span: is called with (scope fields, record) of each span that has ended.
        load_sdk_provider: imports the SDK and makes its provider.
    """

    def __init__(
        self,
        sampler: Sampler,
        limits: Limits,
        export_span: SpanCallback,
        load_sdk_provider: Callable[[], trace.TracerProvider],
    ) -> None:
        self.sampler = sampler
        self.limits = limits
        self.export_span = export_span
        # Called with (scope fields, record) of each span that starts, where set.
        self.on_span_start: SpanCallback | None = None
        self.delegate: trace.TracerProvider | None = None
        # Whether the user has set a provider; the API allows it once.
        self.user_provider_set = False
        # Spans that have not ended: by span id, (scope fields, record).
        self.open_spans: dict[bytes, tuple[bytes, records.Span]] = {}
        self._load_sdk_provider = load_sdk_provider
        self._tracers: dict[tuple[object, ...], Tracer] = {}

    def end_span(self, scope: bytes, record: records.Span) -> None:
        """Export a span that has ended."""
        self.open_spans.pop(record.span_id, None)
        self.export_span(scope, record)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        name, version = instrumenting_module_name or "", instrumenting_library_version or ""
        copies = copied(attributes)
        key = (name, version, schema_url, repr(copies))
        tracer = self._tracers.get(key)
        if tracer is None:
            # The `attributes` parameter of get_tracer is newer than 1.25.
            arguments = (name, version, schema_url, *((attributes,) if copies else ()))
            tracer = Tracer(self, encoder.scope(name, version, schema_url or "", copies), arguments)
            # A name made for each request must not stay.
            if len(self._tracers) >= MAX_SCOPES:
                self._tracers.clear()
            self._tracers[key] = tracer
        return tracer

    def __getattr__(self, name: str) -> object:
        """An attribute that only the SDK's provider has, such as add_span_processor, resource."""
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            provider = self.delegate or self._load_sdk_provider()
        except Exception as error:  # so that hasattr returns False
            if not is_ours(error):
                raise
            msg = f"{name} needs opentelemetry-sdk: {error}"
            raise AttributeError(msg) from None
        return getattr(provider, name)


def context_of(span: trace.Span, baggage: Mapping[str, str]) -> Context:
    """The current context with `span` as its current span, and with `baggage`."""
    context = trace.set_span_in_context(span)
    if baggage:
        from opentelemetry.baggage import set_baggage

        for key, value in baggage.items():
            context = set_baggage(key, value, context)
    return context


def attach(context: Context) -> object:
    """Enter `context`; returns the token that `detach` takes."""
    return context_api.attach(context)


def detach(token: object) -> None:
    """Undo `attach`; does nothing in a context where `token` is not valid.

    The API's own detach would log that as an error, in the user's log.
    """
    try:
        token.var.reset(token)  # type: ignore[attr-defined] # a contextvars.Token
    except (AttributeError, ValueError, RuntimeError):
        return
