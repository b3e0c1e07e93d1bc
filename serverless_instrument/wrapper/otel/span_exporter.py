"""Finished and started spans of OpenTelemetry code in the function, as frames to the forwarder.

Spans come from two tracer providers: ours (`tracer.Provider`), which gives records, and the SDK's,
whose spans come through `sdk_processor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serverless_instrument import wire
from serverless_instrument.wrapper.invocation.frames import MESSAGE_LIMIT_BYTES, span_frame
from serverless_instrument.wrapper.records import encoder, is_ours, records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from serverless_instrument.wrapper.settings import Settings

_UNKNOWN_SERVICE = "unknown_service"

# How many different instrumentation scopes are kept for their next use.
_MAX_SCOPES = 1000


class SpanExporter:
    """Sends each span as it ends, and in development mode also as it starts.

    The invocation's own span is not sent from here: the SDK's copy of it is kept for
    `take_ended_root`, and goes out in the invocation's END frame.

    Args:
        settings: the runtime side's.
        resource: attributes of the function's resource.
        send: takes whole frames.
        hello: returns the HELLO frame of an encoded resource.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Mapping[str, object],
        send: Callable[[bytes], None],
        hello: Callable[[bytes], bytes],
    ) -> None:
        self._settings = settings
        self._resource = dict(resource)
        self._send = send
        self._hello = hello
        # Of the provider in use: what the forwarder takes spans to belong to.
        self.encoded_resource = encoder.resource(self._resource)
        # By identity of the SDK's resource, which is kept so that its id is not used again.
        self._encoded_resources: dict[int, tuple[object, bytes]] = {}
        self._encoded_scopes: dict[object, bytes] = {}
        # The last scope is compared by identity: hashing a scope costs a span a microsecond.
        self._latest_scope: tuple[object, bytes] = (self, b"")
        # The SDK's spans that have not ended, by id.
        self._open_sdk_spans: dict[int, SdkSpan] = {}
        self._ended_root: records.Span | None = None
        # The span id of the invocation's span where the SDK has made it, else 0.
        self.root_number = 0

    def sdk_processor(self) -> SpanProcessor:
        """A processor for the SDK's provider that hands its spans to this exporter."""
        from serverless_instrument.wrapper.otel import sdk_processor

        # Looked up once: an import statement costs a span some microseconds.
        self._plain_message = sdk_processor.plain_message
        self._record_of = sdk_processor.record_of
        self._scope_of = sdk_processor.scope_of
        on_start = self._export_sdk_start if self._settings.dev_mode else None
        return sdk_processor.processor(self._export_sdk_span, self._open_sdk_spans, on_start)

    def export_start(self, scope: bytes, record: records.Span) -> None:
        """Send the event that a span has started, for a viewer in development mode."""
        from serverless_instrument.wrapper.logs.log_frames import span_start_frame

        try:
            self._send(span_start_frame(record, scope, self._settings.log_limits))
        except Exception as error:  # telemetry is lost; the function's call goes on
            if not is_ours(error):
                raise
            return

    def _export_sdk_start(self, span: SdkSpan) -> None:
        from serverless_instrument.wrapper.otel.sdk_processor import open_record

        record = open_record(span)
        is_root = record.span_id == self.root_number.to_bytes(8, "big")
        if not is_root and self._settings.traces_exported:
            self.export_start(self._encoded_scope(span.instrumentation_scope), record)

    def export_span(self, scope: bytes, record: records.Span) -> None:
        """Send a finished span of our provider's; never raises."""
        try:
            self._send(self._frame(record, scope))
        except Exception as error:  # the span is lost; the function's call goes on
            if not is_ours(error):
                raise
            return

    def _frame(self, record: records.Span, scope: bytes) -> bytes:
        if record.kind == records.KIND_CLIENT:
            from serverless_instrument.wrapper.otel.http_client_spans import complete_http_span

            complete_http_span(record)
        return span_frame(record, self._settings.limits, scope)

    def _export_sdk_span(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is None or not context.trace_flags & 1:
            return
        if context.span_id == self.root_number:
            self._ended_root = self._record_of(span)
            return
        if not self._settings.traces_exported:
            return
        latest, scope = self._latest_scope
        if span.instrumentation_scope is not latest:
            scope = self._encoded_scope(span.instrumentation_scope)
            self._latest_scope = (span.instrumentation_scope, scope)
        message = self._plain_message(span, self._settings.limits)
        if message is None or len(message) > MESSAGE_LIMIT_BYTES:
            frame = self._frame(self._record_of(span), scope)
        else:
            frame = wire.batch_frame(wire.SPANS, scope, encoder.item(message), 1)
        resource = self.encode_resource(span.resource)
        if resource is not self.encoded_resource and resource != self.encoded_resource:
            # From a provider other than the one in use: HELLO names the resource of what follows.
            frame = self._hello(resource) + frame + self._hello(self.encoded_resource)
        self._send(frame)

    def _encoded_scope(self, scope: InstrumentationScope | None) -> bytes:
        encoded = self._encoded_scopes.get(scope)
        if encoded is None:
            if len(self._encoded_scopes) >= _MAX_SCOPES:
                self._encoded_scopes.clear()
            encoded = self._encoded_scopes[scope] = self._scope_of(scope)
        return encoded

    def encode_resource(self, resource: object) -> bytes:
        """The attributes of a provider's `resource` over those of the function's, encoded."""
        kept = self._encoded_resources.get(id(resource))
        if kept is None:
            attributes = dict(getattr(resource, "attributes", {}))
            if str(attributes.get("service.name", "")).startswith(_UNKNOWN_SERVICE):
                del attributes["service.name"]  # the SDK's default, where none was given
            encoded = encoder.resource({**self._resource, **attributes})
            kept = self._encoded_resources[id(resource)] = (resource, encoded)
        return kept[1]

    def open_sdk_spans(self) -> list[tuple[bytes, records.Span]]:
        """(scope, record) of the SDK's sampled spans that have not ended, but for the root."""
        if not self._open_sdk_spans:
            return []
        from serverless_instrument.wrapper.otel.sdk_processor import open_record

        return [
            (self._encoded_scope(span.instrumentation_scope), open_record(span))
            for number, span in list(self._open_sdk_spans.items())
            if number != self.root_number and span.context.trace_flags & 1
        ]

    def forget_open_spans(self) -> None:
        """Forget the spans that are still open: they do not belong to the next invocation."""
        self._open_sdk_spans.clear()

    def take_ended_root(self) -> records.Span | None:
        """The finished invocation span as the SDK gave it to our processor, once."""
        root, self._ended_root, self.root_number = self._ended_root, None, 0
        return root
