"""The SDK's finished spans to our records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor

from serverless_instrument.wrapper import encoder, records
from serverless_instrument.wrapper.span_parts import link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope


class _Processor(SpanProcessor):
    """Hands every span that ends to `ended`, at once; every one that starts to `started`."""

    def __init__(
        self,
        ended: Callable[[ReadableSpan], None],
        started: Callable[[ReadableSpan], None] | None,
    ) -> None:
        self._ended = ended
        self._started = started

    def on_start(self, span: ReadableSpan, parent_context: object = None) -> None:  # noqa: ARG002 - as the SDK calls it
        try:
            if self._started is not None:
                self._started(span)
        except Exception:  # as below
            return

    def on_end(self, span: ReadableSpan) -> None:
        try:
            self._ended(span)
        except Exception:  # a span of ours to lose, an exception of the user's never
            return


def processor(
    ended: Callable[[ReadableSpan], None],
    started: Callable[[ReadableSpan], None] | None = None,
) -> SpanProcessor:
    """A span processor that calls `ended` with each finished span, `started` with each new one."""
    return _Processor(ended, started)


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


def record_of(span: ReadableSpan) -> records.Span:
    """Our record of a finished span."""
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    flags = int(context.trace_flags) | records.FLAG_HAS_IS_REMOTE
    if parent is not None and parent.is_remote:
        flags |= records.FLAG_IS_REMOTE
    record = records.Span(
        span.name,
        span.kind.value + 1,
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        span.start_time or 0,
        _plain(span.attributes),
        parent.span_id.to_bytes(8, "big") if parent is not None else b"",
        context.trace_state.to_header() if context.trace_state else "",
        flags,
    )
    record.end_unix_ns = span.end_time or 0
    record.events = [
        records.Event(
            event.name, event.timestamp, _plain(event.attributes), _dropped(event.attributes)
        )
        for event in span.events
    ]
    record.links = [
        link(each.context, each.attributes, _dropped(each.attributes)) for each in span.links
    ]
    record.status_code = span.status.status_code.value
    record.status_message = span.status.description or ""
    record.dropped_attributes = span.dropped_attributes
    record.dropped_events = span.dropped_events
    record.dropped_links = span.dropped_links
    return record


def _plain(attributes: Mapping[str, object] | None) -> dict[str, object]:
    return dict(attributes) if attributes else {}


def _dropped(attributes: object) -> int:
    return getattr(attributes, "dropped", 0)
