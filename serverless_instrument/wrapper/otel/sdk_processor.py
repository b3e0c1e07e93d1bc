"""The SDK's finished spans to our records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from serverless_instrument.wrapper.otel.span_parts import link
from serverless_instrument.wrapper.records import encoder, record_encoder, records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext


class _Processor(SpanProcessor):
    """Hands every span that ends to `ended`, at once, and every one that starts to `started`.

    `open_spans` are those that have not ended, by id.
    """

    def __init__(
        self,
        ended: Callable[[ReadableSpan], None],
        open_spans: dict[int, Span],
        started: Callable[[Span], None] | None,
    ) -> None:
        self._ended = ended
        self._open = open_spans
        self._started = started

    def on_start(self, span: Span, parent_context: object = None) -> None:  # noqa: ARG002 - the SDK's
        if span.context is not None:
            self._open[span.context.span_id] = span
        try:
            if self._started is not None:
                self._started(span)
        except Exception:  # as below
            return

    def on_end(self, span: ReadableSpan) -> None:
        try:
            self._open.pop(span.context.span_id, None)
            self._ended(span)
        except Exception:  # a span of ours to lose, an exception of the user's never
            return


def processor(
    ended: Callable[[ReadableSpan], None],
    open_spans: dict[int, Span],
    started: Callable[[Span], None] | None = None,
) -> SpanProcessor:
    """A span processor that calls `ended` with each finished span, `started` with each new one.

    `open_spans` holds those between the two, by id.
    """
    return _Processor(ended, open_spans, started)


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
    """The encoded span, straight from the SDK's; None where it has more than most spans have.

    A span that ends touches much code for the first time since the last one did; without a record
    between it is a fifth cheaper, from its start to the socket.
    """
    try:
        # Where the SDK keeps them: what it shows are copies, at a microsecond each.
        several = span._events or span._links
        values = span._attributes._dict  # type: ignore[union-attr] # as guarded
    except AttributeError:
        return None
    context, parent, kind = span.context, span.parent, span.kind
    if (
        several
        or context is None
        or context.trace_state
        or kind is SpanKind.CLIENT  # may have more to be done with it
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
