"""How inits and invocations ended of which the runtime says nothing any more, as spans."""

from __future__ import annotations

from posix import urandom
from time import time_ns

from serverless_instrument import environment
from serverless_instrument.forwarder.codec import resource, spans
from serverless_instrument.forwarder.destinations.settings import TRACES
from serverless_instrument.forwarder.outcomes import init_span
from serverless_instrument.forwarder.outcomes.init_failures import Invoked, NeverBegan
from serverless_instrument.forwarder.outcomes.unfinished_invocations import (
    TIMEOUT,
    Left,
    Unfinished,
)
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.forwarder.telemetry_api.log_intake import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.extensions_api import NextEvent
    from serverless_instrument.forwarder.faas_metrics.enhanced_metrics import EnhancedMetrics
    from serverless_instrument.forwarder.faas_metrics.recorder import FaasMetrics
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event

_NEVER = float("inf")
_SAMPLERS_OFF = frozenset(("always_off", "parentbased_always_off"))


class Endings:
    """What is told of runtimes and by the platform, to spans of what never ended.

    Args:
        environ: the function's name and resource, and whether anything is sampled.
        batch: takes spans.
        registered_unix_ns: when this extension had registered.
    """

    def __init__(self, environ: Mapping[str, str], batch: Batch, registered_unix_ns: int) -> None:
        self._batch = batch
        self._environ = environ
        self._resource = b""
        self._unfinished = Unfinished(self._add, self._unfinished_told)
        self._init = init_span.InitSpan(urandom)
        self._init.registered_unix_ns = registered_unix_ns
        self._never = NeverBegan(environ.get("AWS_LAMBDA_FUNCTION_NAME", ""), urandom)
        # Counts invocations; None where metrics are not wanted.
        self.faas: FaasMetrics | None = None
        self.enhanced: EnhancedMetrics | None = None
        # What was not asked to be sampled is not made up here.
        self.shutdown_reason = ""
        self._settled = False
        self._enabled = environment.sampler(environ).lower() not in _SAMPLERS_OFF

    def connect(self, events: Dispatch) -> None:
        """Look at the platform's events."""
        for kind in (platform_events.RUNTIME_DONE, platform_events.REPORT):
            events.on(kind, self._invocation_event)
        events.on(platform_events.START, self._platform_started)
        for kind in init_span.KINDS:
            events.on(kind, self._init_event)

    def platform_tells(self, active: bool) -> None:
        """Whether platform events come."""
        self._unfinished.platform_tells = active

    # From the runtime's frames.

    def greeted(self, resource_: bytes) -> None:
        """HELLO came."""
        self._resource = resource_
        self._init.loaded_unix_ns = self._init.loaded_unix_ns or time_ns()

    def started(
        self, request_id: str, deadline_unix_ms: int, resource_: bytes, scope: bytes, span: bytes
    ) -> Left:
        """START came, with the unfinished span, b"" for an invocation that is not sampled.

        Returns what is to be told of it if END never comes.
        """
        self._unfinished.started(request_id)
        self._never.started(request_id)
        self._init.invoked(*identity(span)[:2])
        self._tell_init()
        return Left(request_id, deadline_unix_ms, resource_, scope, span)

    def ended(self, request_id: str) -> None:
        """END came."""
        self._unfinished.ended(request_id)

    def init_failed(self, error_type: str, event: bytes, time_unix_ns: int) -> None:
        """INIT_ERROR came."""
        self._init.error(error_type, event, time_unix_ns)
        self._never.init_error(error_type, event)

    def left(self, lefts: Iterable[Left], now_unix_ns: int) -> None:
        """A runtime has gone with these unfinished."""
        self._unfinished.left(lefts, now_unix_ns)

    # From the platform.

    def invoked(self, event: NextEvent) -> None:
        """INVOKE came."""
        if self.enhanced is not None:
            self.enhanced.invoked()
        self._never.invoked(event.request_id, Invoked(event.arn, event.trace_header, time_ns()))

    def _platform_started(self, event: Event) -> None:
        tracing = event.record.get("tracing") if isinstance(event.record, dict) else None
        header = platform_events.text_of(tracing, "value")
        self._never.platform_started(event.request_id, Invoked("", header, event.time_unix_ns))

    def _invocation_event(self, event: Event) -> None:
        self._unfinished.platform_says(event)
        made = self._never.platform_says(event)
        if made is not None:
            self._never_began(made)

    def _init_event(self, event: Event) -> None:
        self._init.platform_says(event)
        self._tell_init()

    @property
    def act_at_s(self) -> float:
        """When to call `release`, in seconds since the epoch."""
        at_ns = self._unfinished.release_at_ns
        return at_ns / 1_000_000_000 if at_ns else _NEVER

    def release(self) -> None:
        """Send what the platform has said nothing of for long enough."""
        self._unfinished.release(time_ns())

    def settle(self) -> None:
        """After SHUTDOWN, when nothing more is to come: send what is known, once.

        What has been pending never began, and an init that failed is told.
        """
        if self._settled:
            return
        self._settled = True
        error_type = TIMEOUT if TIMEOUT in self.shutdown_reason.lower() else ""
        self._unfinished.release(time_ns(), everything=True, error_type=error_type)
        for made in self._never.shut_down(self.shutdown_reason, time_ns()):
            self._never_began(made)
        self._tell_init(last=True)
        if self.faas is not None:
            self.faas.settle(self._encoded_resource())
        if self.enhanced is not None:
            self.enhanced.shut_down(self.shutdown_reason, time_ns())

    def _unfinished_told(self, request_id: str, end_unix_ns: int, error_type: str) -> None:
        if self.faas is not None:
            self.faas.ended(request_id, end_unix_ns, error_type)

    def _never_began(self, made: spans.Made) -> None:
        """Its init, which failed, is a part of it."""
        self._init.invoked(made.trace_id, made.span_id)
        self._make(made)
        self._tell_init()
        if self.faas is not None:
            request_id = str(made.attributes["faas.invocation_id"])
            times = made.start_unix_ns, made.end_unix_ns
            self.faas.never_began(self._encoded_resource(), request_id, made.error_type, *times)

    def _tell_init(self, *, last: bool = False) -> None:
        for made in self._init.take(last=last):
            self._make(made)

    def _make(self, made: spans.Made) -> None:
        if self._enabled:
            self._add(self._encoded_resource(), spans.SCOPE, spans.encoded(made))

    def _encoded_resource(self) -> bytes:
        return self._resource or resource.encoded(self._environ)

    def _add(self, resource_: bytes, scope: bytes, item: bytes) -> None:
        self._batch.add(TRACES, resource_, scope, item, 1)
