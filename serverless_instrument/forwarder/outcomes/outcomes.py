"""Spans and metrics of inits, and of invocations that the runtime does not report the end of."""

from __future__ import annotations

from posix import urandom
from time import time_ns

from serverless_instrument import environment
from serverless_instrument.forwarder.codec import resource, spans
from serverless_instrument.forwarder.destinations.destination import TRACES
from serverless_instrument.forwarder.outcomes import init_span
from serverless_instrument.forwarder.outcomes.init_failures import (
    NeverStartedInvocations,
    PendingInvocation,
)
from serverless_instrument.forwarder.outcomes.unfinished_invocations import (
    TIMEOUT,
    OpenInvocation,
    UnfinishedInvocations,
)
from serverless_instrument.forwarder.telemetry_api import platform_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serverless_instrument.forwarder.codec.span_identity import SpanIdentity
    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.extensions_api import NextEvent
    from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event
    from serverless_instrument.wire_payloads import RequestPayload

_NEVER = float("inf")
_SAMPLERS_OFF = frozenset(("always_off", "parentbased_always_off"))


class Outcomes:
    """Concludes from frames and platform events how inits and invocations ended.

    Args:
        environ: the function's name and resource, and whether anything is sampled.
        batch: takes spans.
        registered_unix_ns: when this extension had registered.
        metrics: is told of invocations that end without END, and of INVOKE and SHUTDOWN; None
            where metrics are not wanted.

    Attributes:
        shutdown_reason: that of SHUTDOWN, "" before it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        batch: Batch,
        registered_unix_ns: int,
        metrics: FunctionMetrics | None = None,
    ) -> None:
        self._batch = batch
        self._environ = environ
        self._metrics = metrics
        self._resource = b""
        self._unfinished = UnfinishedInvocations(self._send_item, self._record_failure)
        self._init = init_span.InitSpan(urandom)
        self._init.registered_unix_ns = registered_unix_ns
        name = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self._never_started = NeverStartedInvocations(name, urandom)
        self.shutdown_reason = ""
        self._finished = False
        # Where nothing is sampled no span is made here either.
        self._enabled = environment.sampler(environ).lower() not in _SAMPLERS_OFF

    def subscribe(self, events: Dispatch) -> None:
        """Ask for platform events."""
        for kind in (platform_events.RUNTIME_DONE, platform_events.REPORT):
            events.add_handler(kind, self._record_platform_end)
        events.add_handler(platform_events.START, self._record_platform_start)
        for kind in init_span.KINDS:
            events.add_handler(kind, self._record_init_event)

    def set_platform_reports(self, reports: bool) -> None:
        """Say whether the platform will report how invocations went."""
        self._unfinished.platform_reports = reports

    # From the runtime's frames.

    def record_hello(self, resource_: bytes) -> None:
        """HELLO came."""
        self._resource = resource_
        self._init.loaded_unix_ns = self._init.loaded_unix_ns or time_ns()

    def record_start(
        self,
        request: RequestPayload,
        resource_: bytes,
        scope: bytes,
        span: bytes,
        identity: SpanIdentity,
    ) -> OpenInvocation:
        """START came, with the unfinished span, b"" for an invocation that is not sampled.

        Returns what `record_runtime_exit` takes if END never comes.
        """
        request_id = request.request_id
        self._unfinished.record_start(request_id)
        self._never_started.record_start(request_id)
        self._init.set_parent(identity.trace_id, identity.span_id)
        self._send_init_spans()
        deadline_unix_ms = request.deadline_unix_ms
        return OpenInvocation(
            request_id, deadline_unix_ms, resource_, scope, span, identity.span_id
        )

    def record_end(self, request_id: str) -> None:
        """END came."""
        self._unfinished.record_end(request_id)

    def record_init_error(self, error_type: str, event: bytes, time_unix_ns: int) -> None:
        """INIT_ERROR came, with an encoded ``Event`` of the exception."""
        self._init.record_init_error(error_type, event, time_unix_ns)
        self._never_started.record_init_error(error_type, event)

    def record_runtime_exit(self, invocations: Iterable[OpenInvocation], now_unix_ns: int) -> None:
        """A runtime is gone with `invocations` unfinished."""
        self._unfinished.record_runtime_exit(invocations, now_unix_ns)

    # From the platform.

    def record_invoke(self, event: NextEvent) -> None:
        """INVOKE came."""
        if self._metrics is not None:
            self._metrics.record_invoke()
        pending = PendingInvocation(event.arn, event.trace_header, time_ns())
        self._never_started.record_invoke(event.request_id, pending)

    def _record_platform_start(self, event: Event) -> None:
        tracing = event.record.get("tracing") if isinstance(event.record, dict) else None
        header = platform_events.text_of(tracing, "value")
        pending = PendingInvocation("", header, event.time_unix_ns)
        self._never_started.record_platform_start(event.request_id, pending)

    def _record_platform_end(self, event: Event) -> None:
        self._unfinished.record_platform_end(event)
        span = self._never_started.record_platform_end(event)
        if span is not None:
            self._send_never_started(span)

    def _record_init_event(self, event: Event) -> None:
        self._init.record_platform_event(event)
        self._send_init_spans()

    @property
    def act_at_s(self) -> float:
        """When to call `send_due`, in seconds since the epoch."""
        at_ns = self._unfinished.send_at_unix_ns
        return at_ns / 1_000_000_000 if at_ns else _NEVER

    def send_due(self) -> None:
        """Send what the platform has not reported on for long enough."""
        self._unfinished.send_due(time_ns())

    def finish(self) -> None:
        """Send everything that is known, once: SHUTDOWN came, and nothing more is to come.

        An invocation that is still pending never started; an init that failed has its spans.
        """
        if self._finished:
            return
        self._finished = True
        self._unfinished.send_all(TIMEOUT if TIMEOUT in self.shutdown_reason.lower() else "")
        for span in self._never_started.record_shutdown(self.shutdown_reason, time_ns()):
            self._send_never_started(span)
        self._send_init_spans(last=True)
        if self._metrics is not None:
            resource_ = self._encoded_resource()
            self._metrics.record_shutdown(resource_, self.shutdown_reason, time_ns())

    def _record_failure(self, request_id: str, end_unix_ns: int, error_type: str) -> None:
        if self._metrics is not None:
            self._metrics.record_unfinished(request_id, end_unix_ns, error_type)

    def _send_never_started(self, span: spans.Made) -> None:
        # Init, which failed, is a part of the invocation.
        self._init.set_parent(span.trace_id, span.span_id)
        self._send_span(span)
        self._send_init_spans()
        if self._metrics is not None:
            request_id = str(span.attributes["faas.invocation_id"])
            times = span.start_unix_ns, span.end_unix_ns
            resource_ = self._encoded_resource()
            self._metrics.record_never_started(resource_, request_id, span.error_type, *times)

    def _send_init_spans(self, *, last: bool = False) -> None:
        for span in self._init.take_spans(last=last):
            self._send_span(span)

    def _send_span(self, span: spans.Made) -> None:
        if self._enabled:
            self._send_item(self._encoded_resource(), spans.SCOPE, spans.encoded(span))

    def _encoded_resource(self) -> bytes:
        return self._resource or resource.encoded(self._environ)

    def _send_item(self, resource_: bytes, scope: bytes, item: bytes) -> None:
        self._batch.add_items(TRACES, resource_, scope, item, 1)
