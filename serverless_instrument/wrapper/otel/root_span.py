"""The invocation's span while it is OpenTelemetry's current one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.otel.live_span import LiveSpan
from serverless_instrument.wrapper.otel.tracer import detach
from serverless_instrument.wrapper.records import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.trace import Span

    from serverless_instrument.wrapper.otel.sdk import Bridge


class RootSpan:
    """The invocation's span while it is the current one."""

    def __init__(
        self,
        bridge: Bridge,
        span: Span,
        token: object,
        parent_flags: int,
        shown: SdkProvider | None,
    ) -> None:
        self._bridge = bridge
        self._span = span
        self._token = token
        self._parent_flags = parent_flags
        self._shown = shown
        # To tell a name of the user's from ours.
        self._name = getattr(span, "name", "")

    def seen(self, record: records.Span) -> records.Span:
        """The record of the span as it is now."""
        span: Any = self._span
        if isinstance(span, LiveSpan) or not span.is_recording():
            return record
        from serverless_instrument.wrapper.otel.sdk_processor import open_record

        return open_record(span)

    def routed(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take another name, unless the user has given one, and `attributes`.

        A span of ours is over the record itself, which has them.
        """
        span: Any = self._span
        if isinstance(span, LiveSpan) or not span.is_recording():
            return
        span.set_attributes(attributes)
        if span.name == self._name:
            self._name = name
            span.update_name(name)

    def close(self, record: records.Span) -> records.Span:
        """End the span; the record to send, with what the user has put on it."""
        detach(self._token)
        span = self._span
        try:
            if isinstance(span, LiveSpan):
                span.end(record.end_unix_ns)
            else:
                record = self._ended(span, record)
            if span.get_span_context().trace_flags.sampled:
                self._bridge.show(record, self._parent_flags, self._shown)
        except Exception:  # of a processor of the user's
            return self._bridge.take_root() or record
        return record

    def _ended(self, span: Span, record: records.Span) -> records.Span:
        if span.is_recording():
            from serverless_instrument.wrapper.otel.sdk_options import finish_root

            finish_root(span, record)
            return self._bridge.take_root() or record
        ended_by_user = self._bridge.take_root()
        if ended_by_user is None:
            return record
        ended_by_user.attributes.update(record.attributes)
        ended_by_user.events += record.events
        ended_by_user.end_unix_ns = record.end_unix_ns
        if record.status_code and ended_by_user.status_code != records.STATUS_OK:
            ended_by_user.status_code = record.status_code
            ended_by_user.status_message = record.status_message
        return ended_by_user
