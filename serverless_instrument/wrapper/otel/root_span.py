"""The invocation's span while it is OpenTelemetry's current one.

Where the SDK makes the spans, the invocation's span is one of the SDK's with the ids of our record,
so that the user's span processors see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serverless_instrument.wire import __version__
from serverless_instrument.wrapper.otel.live_span import LiveSpan
from serverless_instrument.wrapper.otel.tracer import detach
from serverless_instrument.wrapper.records import is_ours, records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.trace import Span

    from serverless_instrument.wrapper.otel.span_exporter import SpanExporter

_SCOPE_NAME = "serverless_instrument"


def start_sdk_root(
    exporter: SpanExporter, provider: SdkProvider, record: records.Span, parent_flags: int
) -> Span:
    """Start a span of the SDK's with the ids of `record`; `exporter` keeps it when it ends."""
    from serverless_instrument.wrapper.otel.sdk_options import start_root

    exporter.root_number = int.from_bytes(record.span_id, "big")
    return start_root(provider, record, parent_flags, _SCOPE_NAME, __version__)


class RootSpan:
    """`Live` of the invocation: its span, entered as the current one.

    Args:
        exporter: keeps the SDK's copy of the span.
        sdk_provider: returns the SDK's provider that makes the spans now, None if none does.
        span: over our record, or the SDK's.
        token: of the entered context.
        parent_flags: flags of the remote parent.
        seen_by: the SDK's provider whose processors have seen the span start, if any.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        sdk_provider: Callable[[], SdkProvider | None],
        span: Span,
        token: object,
        parent_flags: int,
        seen_by: SdkProvider | None,
    ) -> None:
        self._exporter = exporter
        self._sdk_provider = sdk_provider
        self._span = span
        self._token = token
        self._parent_flags = parent_flags
        self._seen_by = seen_by
        # A name that differs from it has been set by the user.
        self._name = getattr(span, "name", "")

    def seen(self, record: records.Span) -> records.Span:
        """The record of the span as it is now."""
        span: Any = self._span
        if isinstance(span, LiveSpan) or not span.is_recording():
            return record
        from serverless_instrument.wrapper.otel.sdk_processor import open_record

        return open_record(span)

    def routed(self, name: str, attributes: Mapping[str, str]) -> None:
        """Set `attributes`, and `name` unless the user has set one.

        A span of ours is a view of the record, which has them already.
        """
        span: Any = self._span
        if isinstance(span, LiveSpan) or not span.is_recording():
            return
        span.set_attributes(attributes)
        if span.name == self._name:
            self._name = name
            span.update_name(name)

    def leave(self, end_unix_ns: int) -> None:
        """The handler is over: the span is no longer the current one.

        A span of ours ends here, so that nothing more is set on its record. One of the SDK's ends
        in `close`, when its processors can be told the outcome.
        """
        detach(self._token)
        if isinstance(self._span, LiveSpan):
            self._span.end(end_unix_ns)

    def close(self, record: records.Span) -> records.Span:
        """End the span; returns the record to send, with what the user has set on the span."""
        span = self._span
        try:
            if not isinstance(span, LiveSpan):
                record = self._end_sdk_span(span, record)
            if span.get_span_context().trace_flags.sampled:
                self._show_to_late_provider(record)
        except Exception as error:  # raised by a processor of the user's
            if not is_ours(error):
                raise
            return self._exporter.take_ended_root() or record
        return record

    def _end_sdk_span(self, span: Span, record: records.Span) -> records.Span:
        if span.is_recording():
            from serverless_instrument.wrapper.otel.sdk_options import finish_root

            finish_root(span, record)
            return self._exporter.take_ended_root() or record
        ended_by_user = self._exporter.take_ended_root()
        if ended_by_user is None:
            return record
        ended_by_user.attributes.update(record.attributes)
        ended_by_user.events += record.events
        ended_by_user.end_unix_ns = record.end_unix_ns
        if record.status_code and ended_by_user.status_code != records.STATUS_OK:
            ended_by_user.status_code = record.status_code
            ended_by_user.status_message = record.status_message
        return ended_by_user

    def _show_to_late_provider(self, record: records.Span) -> None:
        """Show the invocation to the processors of a provider set while it was running."""
        provider = self._sdk_provider()
        if provider is None or provider is self._seen_by:
            return
        from serverless_instrument.wrapper.otel.sdk_options import finish_root

        root = start_sdk_root(self._exporter, provider, record, self._parent_flags)
        finish_root(root, record)
        self._exporter.take_ended_root()
