"""OpenTelemetry in the function: set up when the function imports it, and not before.

With the API alone (``opentelemetry.trace``) our own provider makes the spans; once the function
imports ``opentelemetry.sdk.trace``, the SDK's does, with our processor; and a provider that the
user sets takes the place of either, with our processor added to it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from serverless_instrument import wire
from serverless_instrument.wire import __version__
from serverless_instrument.wrapper.invocation.frames import MESSAGE_LIMIT_BYTES, span_frame
from serverless_instrument.wrapper.records import encoder, propagation, records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Span, SpanContext, TracerProvider

    from serverless_instrument.wrapper.import_hooks.context_in_threads import LateContext
    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.otel.tracer import Provider
    from serverless_instrument.wrapper.settings import Settings

_SDK = "opentelemetry.sdk.trace"
_OLDEST = (1, 25)
_UNKNOWN_SERVICE = "unknown_service"


class UnusableError(Exception):
    """The OpenTelemetry packages at hand cannot be used; the text says why and what to do."""


class Bridge:
    """Between the invocation and whatever OpenTelemetry the function has loaded.

    Args:
        settings: the runtime side's.
        resource: attributes of the function's resource.
        send: takes whole frames.
        hello: the HELLO frame of an encoded resource.
        adopt: takes an encoded resource that is the function's from now on.
        warn: says one line.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Mapping[str, object],
        send: Callable[[bytes], None],
        hello: Callable[[bytes], bytes],
        adopt: Callable[[bytes], None],
        warn: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._resource = dict(resource)
        self._send = send
        self._hello = hello
        self._adopt = adopt
        self._warn = warn
        self._provider: Provider | None = None
        self._encoded_resource = encoder.resource(self._resource)
        self._resources: dict[int, tuple[object, bytes]] = {}
        self._scopes: dict[object, bytes] = {}
        # The one in use, found by identity: hashing a scope costs a span a microsecond.
        self._scope: tuple[object, bytes] = (self, b"")
        # The SDK's spans that have not ended, by id.
        self._open: dict[int, SdkSpan] = {}
        self._root: records.Span | None = None
        self._root_number = 0

    # The function imports the API.

    def api_imported(self, trace: ModuleType) -> None:
        """Make our provider the global one, or the SDK's if that is loaded."""
        check_version("opentelemetry-api", "opentelemetry.version")
        from serverless_instrument.wrapper.otel.tracer import Provider

        self._provider = Provider(
            self._sampled, self._settings.limits, self.sink, self._sdk_provider
        )
        if self._settings.dev_mode:
            self._provider.started = self._started
        original = trace.set_tracer_provider
        original(self._provider)

        def set_tracer_provider(tracer_provider: TracerProvider) -> None:
            if self._take_users(trace, tracer_provider):
                return
            original(tracer_provider)

        set_tracer_provider.__doc__ = original.__doc__
        trace.set_tracer_provider = set_tracer_provider  # type: ignore[attr-defined] # a module
        # While the SDK's own import brings the API, it is not complete: `sdk_imported` follows.
        if hasattr(sys.modules.get(_SDK), "TracerProvider"):
            self._sdk_provider()

    def _sampled(self, trace_id: bytes, parent: SpanContext | None) -> bool:
        from serverless_instrument.wrapper.records import sampling

        if not self._settings.traces_exported:
            return False
        settings = self._settings
        remote = None
        if parent is not None:
            remote = propagation.SpanContext(trace_id, b"", int(parent.trace_flags))
        return sampling.sampled(settings.sampler, settings.sampler_ratio, trace_id, remote)

    def _take_users(self, trace: ModuleType, tracer_provider: TracerProvider) -> bool:
        """Let the first provider that the user sets take our provider's place."""
        provider = self._provider
        if provider is None or tracer_provider is provider or provider.users:
            return False
        provider.users = True
        if hasattr(tracer_provider, "add_span_processor"):
            tracer_provider.add_span_processor(self._processor())
            self._encoded_resource = self._encoded(getattr(tracer_provider, "resource", None))
            self._adopt(self._encoded_resource)
        provider.delegate = tracer_provider
        trace._TRACER_PROVIDER = tracer_provider  # type: ignore[attr-defined] # what its setter sets
        return True

    # The function imports the SDK.

    def sdk_imported(self) -> None:
        """Make the SDK's provider the global one, unless the user has set one."""
        if self._provider is not None and self._provider.delegate is None:
            self._sdk_provider()

    def _sdk_provider(self) -> TracerProvider:
        provider = self._provider
        if provider is None:
            raise UnusableError("opentelemetry.trace is not set up")
        if provider.delegate is not None:
            return provider.delegate
        check_version("opentelemetry-sdk", "opentelemetry.sdk.version")
        import opentelemetry.sdk.trace  # noqa: F401 - the hook on which makes the provider

        return self._made(provider)

    def _made(self, provider: Provider) -> TracerProvider:
        if provider.delegate is not None:
            return provider.delegate
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource

        from serverless_instrument.wrapper.otel.sdk_options import (
            Provider,
            id_generator,
            sampler,
            span_limits,
        )

        resource = Resource(self._resource)  # type: ignore[arg-type] # plain values
        made = Provider(
            provider.get_tracer,
            sampler=sampler(self._settings, self._warn),
            resource=resource,
            shutdown_on_exit=False,
            id_generator=id_generator(self._warn),
            span_limits=span_limits(self._settings.limits),
        )
        made.add_span_processor(self._processor())
        provider.delegate = made
        trace._TRACER_PROVIDER = made  # what its setter sets, once
        return made

    def _processor(self) -> SpanProcessor:
        from serverless_instrument.wrapper.otel import sdk_processor

        # Found once: an import statement costs a span some microseconds.
        self._plain_message = sdk_processor.plain_message
        self._record_of = sdk_processor.record_of
        self._scope_of = sdk_processor.scope_of
        started = self._sdk_started if self._settings.dev_mode else None
        return sdk_processor.processor(self._ended, self._open, started)

    # Spans that begin, in development.

    def _started(self, scope: bytes, record: records.Span) -> None:
        from serverless_instrument.wrapper.logs.log_frames import span_started

        try:
            self._send(span_started(record, scope, self._settings.log_limits))
        except Exception:  # of ours to lose
            return

    def _sdk_started(self, span: SdkSpan) -> None:
        from serverless_instrument.wrapper.otel.sdk_processor import open_record

        record = open_record(span)
        own = record.span_id == self._root_number.to_bytes(8, "big")
        if not own and self._settings.traces_exported:
            self._started(self._encoded_scope(span.instrumentation_scope), record)

    # Spans that have ended.

    def sink(self, scope: bytes, record: records.Span) -> None:
        """Send a finished span of ours."""
        try:
            self._send(self._frame(record, scope))
        except Exception:  # a span of ours to lose, an exception of the user's never
            return

    def _frame(self, record: records.Span, scope: bytes) -> bytes:
        if record.kind == records.KIND_CLIENT:
            from serverless_instrument.wrapper.otel.http_client_spans import complete

            complete(record)
        return span_frame(record, self._settings.limits, scope)

    def _ended(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is None or not context.trace_flags & 1:
            return
        if context.span_id == self._root_number:
            self._root = self._record_of(span)
            return
        if not self._settings.traces_exported:
            return
        latest, scope = self._scope
        if span.instrumentation_scope is not latest:
            scope = self._encoded_scope(span.instrumentation_scope)
            self._scope = (span.instrumentation_scope, scope)
        message = self._plain_message(span, self._settings.limits)
        if message is None or len(message) > MESSAGE_LIMIT_BYTES:
            frame = self._frame(self._record_of(span), scope)
        else:
            frame = wire.batch_frame(wire.SPANS, scope, encoder.item(message), 1)
        resource = self._encoded(span.resource)
        if resource is not self._encoded_resource and resource != self._encoded_resource:
            # Of another provider than the one in use: HELLO says whose follows.
            frame = self._hello(resource) + frame + self._hello(self._encoded_resource)
        self._send(frame)

    def _encoded_scope(self, scope: InstrumentationScope | None) -> bytes:
        encoded = self._scopes.get(scope)
        if encoded is None:
            encoded = self._scopes[scope] = self._scope_of(scope)
        return encoded

    def _encoded(self, resource: object) -> bytes:
        """The function's attributes under those of a provider's resource, encoded."""
        kept = self._resources.get(id(resource))
        if kept is None:
            attributes = dict(getattr(resource, "attributes", {}))
            if str(attributes.get("service.name", "")).startswith(_UNKNOWN_SERVICE):
                del attributes["service.name"]  # the SDK's default, where none was given
            encoded = encoder.resource({**self._resource, **attributes})
            kept = self._resources[id(resource)] = (resource, encoded)
        return kept[1]

    def open_spans(self) -> list[tuple[bytes, records.Span]]:
        """(scope, record) of the sampled spans that have not ended, the invocation's aside."""
        found = list(self._provider.open.values()) if self._provider is not None else []
        if self._open:
            from serverless_instrument.wrapper.otel.sdk_processor import open_record

            found += [
                (self._encoded_scope(span.instrumentation_scope), open_record(span))
                for number, span in list(self._open.items())
                if number != self._root_number and span.context.trace_flags & 1
            ]
        return found if self._settings.traces_exported else []

    # The invocation.

    def begin(
        self,
        invocation: Invocation,
        baggage: Mapping[str, str],
        late: LateContext | None = None,
    ) -> None:
        """Make the invocation's span the current one.

        `late` is the context of an invocation that is running already.
        """
        # What was left open before is not of this invocation.
        self._open.clear()
        if self._provider is not None and late is None:
            self._provider.open.clear()
        from serverless_instrument.wrapper.otel import live_span, tracer
        from serverless_instrument.wrapper.otel.root_span import RootSpan

        root: Span | None = None
        if late is None:
            root = self._sdk_root(invocation)
        if root is None and invocation.sampled:
            root = live_span.LiveSpan(invocation.span, self._settings.limits, None)
        elif root is None:
            root = live_span.unsampled(invocation.span)
        context = tracer.context_of(root, baggage)
        if late is not None and late.fill(context):
            token: object = late.token
        else:
            token = tracer.attach(context)
        shown = None if isinstance(root, live_span.LiveSpan) else self.sdk()
        invocation.live = RootSpan(self, root, token, invocation.parent_flags, shown)

    def _sdk_root(self, invocation: Invocation) -> Span | None:
        """A span of the SDK's with the invocation's ids, so that the user's processors see it."""
        provider = self.sdk()
        if provider is None:
            return None
        try:
            span = self.start_root(provider, invocation.span, invocation.parent_flags)
        except Exception:  # of a sampler or processor of the user's
            return None
        invocation.sampled = span.is_recording() and self._settings.traces_exported
        return span

    def sdk(self) -> SdkProvider | None:
        """The SDK's provider that makes the spans, if one does."""
        delegate: Any = self._provider.delegate if self._provider is not None else None
        return delegate if hasattr(delegate, "sampler") else None

    def start_root(self, provider: SdkProvider, record: records.Span, parent_flags: int) -> Span:
        """Start a span of the SDK's with the ids of `record`, which `take_root` gives back."""
        from serverless_instrument.wrapper.otel.sdk_options import start_root

        self._root_number = int.from_bytes(record.span_id, "big")
        return start_root(provider, record, parent_flags, SCOPE_NAME, __version__)

    def show(self, record: records.Span, parent_flags: int, shown: SdkProvider | None) -> None:
        """Show an invocation to the processors of a provider that came while it was running."""
        provider = self.sdk()
        if provider is None or provider is shown:
            return
        from serverless_instrument.wrapper.otel.sdk_options import finish_root

        finish_root(self.start_root(provider, record, parent_flags), record)
        self.take_root()

    def take_root(self) -> records.Span | None:
        """The finished invocation span, as the SDK gave it to our processor."""
        root, self._root, self._root_number = self._root, None, 0
        return root


SCOPE_NAME = "serverless_instrument"


def check_version(package: str, module_name: str) -> None:
    """Raise `UnusableError`, with the remedy, for a package that is older than 1.25 or broken."""
    from importlib import import_module

    try:
        version = str(import_module(module_name).__version__)
        numbers = tuple(int(part) for part in version.split(".")[:2])
    except Exception as error:
        raise UnusableError(
            f"{package} is not complete ({type(error).__name__}: {error}); install it whole, or "
            "remove it from the function to use the layer's"
        ) from None
    if numbers < _OLDEST:
        oldest = ".".join(str(number) for number in _OLDEST)
        raise UnusableError(
            f"{package} {version} is older than {oldest}; update it, or remove it from the "
            "function to use the layer's"
        )
