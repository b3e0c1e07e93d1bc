"""A span processor for the SDK, and conversion of the SDK's spans to our records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from serverless_instrument.wrapper.otel.span_parts import link
from serverless_instrument.wrapper.records import encoder, is_ours, record_encoder, records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext


class _Processor(SpanProcessor):
    """See `processor`."""

    def __init__(
        self,
        on_span_end: Callable[[ReadableSpan], None],
        open_spans: dict[int, Span],
        on_span_start: Callable[[Span], None] | None,
    ) -> None:
        self._on_span_end = on_span_end
        self._open_spans = open_spans
        self._on_span_start = on_span_start

    def on_start(self, span: Span, parent_context: object = None) -> None:  # noqa: ARG002 - the SDK's
        if span.context is not None:
            self._open_spans[span.context.span_id] = span
        try:
            if self._on_span_start is not None:
                self._on_span_start(span)
        except Exception as error:  # as below
            if not is_ours(error):
                raise
            return

    def on_end(self, span: ReadableSpan) -> None:
        try:
            self._open_spans.pop(span.context.span_id, None)
            self._on_span_end(span)
        except Exception as error:  # the span is lost; the function's call goes on
            if not is_ours(error):
                raise
            return


def processor(
    on_span_end: Callable[[ReadableSpan], None],
    open_spans: dict[int, Span],
    on_span_start: Callable[[Span], None] | None = None,
) -> SpanProcessor:
    """A span processor that calls `on_span_end` and `on_span_start` with each span.

    It keeps the spans that have started and not ended in `open_spans`, by span id.
    """
    return _Processor(on_span_end, open_spans, on_span_start)


def open_record(span: Span) -> records.Span:
    """Our record of a span that has not ended."""
    return record_of(span._readable_span())


def scope_of(scope: InstrumentationScope | None) -> bytes:
    """The tagged scope fields of the SDK's scope."""
    if scope is None:
        return encoder.scope("")
    return encoder.scope(
        scope.name or "",
        scope.version or "",
        scope.schema_url or "",
        getattr(scope, "attributes", None) or {},
    )


def plain_message(span: ReadableSpan, limits: records.Limits) -> bytes | None:
    """The SDK's span encoded without a record between; None for a span with uncommon parts.

    The code that runs at a span's end is cold, as it last ran when the previous span ended.
    Without the record a span is a fifth cheaper, from its start to the socket.
    """
    try:
        # The SDK's private attributes: its properties make copies, at a microsecond each.
        several = span._events or span._links
        values = span._attributes._dict  # type: ignore[union-attr] # as guarded
    except AttributeError:
        return None
    context, parent, kind = span.context, span.parent, span.kind
    if (
        several
        or context is None
        or context.trace_state
        or kind is SpanKind.CLIENT  # may need `complete_http_span`
        or span.status.status_code is not StatusCode.UNSET
        or span.dropped_events
        or span.dropped_links
    ):
        return None
    return record_encoder.plain_span(
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        parent.span_id.to_bytes(8, "big") if parent is not None else b"",
        span.name,
        kind.value + 1,
        span.start_time or 0,
        span.end_time or 0,
        _flags(context, parent),
        record_encoder.span_attributes(values, limits, span.dropped_attributes),
    )


def _flags(context: SpanContext, parent: SpanContext | None) -> int:
    flags = context.trace_flags | records.FLAG_HAS_IS_REMOTE
    return flags | records.FLAG_IS_REMOTE if parent is not None and parent.is_remote else flags


def record_of(span: ReadableSpan) -> records.Span:
    """Our record of a finished span."""
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    record = records.Span(
        span.name,
        span.kind.value + 1,
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        span.start_time or 0,
        _plain(span.attributes),
        parent.span_id.to_bytes(8, "big") if parent is not None else b"",
        context.trace_state.to_header() if context.trace_state else "",
        _flags(context, parent),
    )
    record.end_unix_ns = span.end_time or 0
    if events := span.events:
        record.events = [
            records.Event(
                event.name, event.timestamp, _plain(event.attributes), _dropped(event.attributes)
            )
            for event in events
        ]
    if links := span.links:
        record.links = [
            link(each.context, each.attributes, _dropped(each.attributes)) for each in links
        ]
    status = span.status
    record.status_code = status.status_code.value
    record.status_message = status.description or ""
    record.dropped_attributes = span.dropped_attributes
    record.dropped_events = span.dropped_events
    record.dropped_links = span.dropped_links
    return record


def _plain(attributes: Mapping[str, object] | None) -> dict[str, object]:
    return dict(attributes) if attributes else {}


def _dropped(attributes: object) -> int:
    return getattr(attributes, "dropped", 0)
