"""OpenTelemetry traces in the function: set up when the function imports the API, never before.

With the API alone (``opentelemetry.trace``) our own provider makes the spans. Once the function
imports ``opentelemetry.sdk.trace``, the SDK's provider makes them, with our span processor. A
provider that the user sets replaces either, with our processor added to it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.import_hooks.package_conflicts import (
    UnusableError,
    check_version,
)
from serverless_instrument.wrapper.otel.span_exporter import SpanExporter
from serverless_instrument.wrapper.records import is_ours, propagation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.trace import Span, SpanContext, TracerProvider

    from serverless_instrument.wrapper.import_hooks.context_in_threads import LateContext
    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.otel.tracer import Provider
    from serverless_instrument.wrapper.records import records
    from serverless_instrument.wrapper.settings import Settings

_SDK = "opentelemetry.sdk.trace"


class TracingBridge:
    """Connects the invocation's span with whatever OpenTelemetry the function has loaded.

    Args:
        settings: the runtime side's.
        resource: attributes of the function's resource.
        send: takes whole frames.
        hello: returns the HELLO frame of an encoded resource.
        adopt: takes an encoded resource that is the function's from now on.
        warn: writes one line.
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
        self._adopt = adopt
        self._warn = warn
        self._provider: Provider | None = None
        self._exporter = SpanExporter(settings, resource, send, hello)

    # The function imports the API.

    def set_up_api(self, trace: ModuleType) -> None:
        """Make our provider the global one of `trace`, or the SDK's if that is loaded.

        Raises:
            UnusableError: the function's API is too old or incomplete.
        """
        check_version("opentelemetry-api", "opentelemetry.version")
        from serverless_instrument.wrapper.otel.tracer import Provider

        self._provider = Provider(
            self._is_sampled,
            self._settings.limits,
            self._exporter.export_span,
            self._load_sdk_provider,
        )
        if self._settings.dev_mode:
            self._provider.on_span_start = self._exporter.export_start
        original = trace.set_tracer_provider
        original(self._provider)

        def set_tracer_provider(tracer_provider: TracerProvider) -> None:
            if self._adopt_user_provider(trace, tracer_provider):
                return
            original(tracer_provider)

        set_tracer_provider.__doc__ = original.__doc__
        trace.set_tracer_provider = set_tracer_provider  # type: ignore[attr-defined] # a module
        # While the SDK's own import brings the API, it is not complete: `set_up_sdk` follows.
        if hasattr(sys.modules.get(_SDK), "TracerProvider"):
            self._load_sdk_provider()

    def _is_sampled(self, trace_id: bytes, parent: SpanContext | None) -> bool:
        from serverless_instrument.wrapper.records import sampling

        if not self._settings.traces_exported:
            return False
        settings = self._settings
        remote = None
        if parent is not None:
            remote = propagation.SpanContext(trace_id, b"", int(parent.trace_flags))
        return sampling.sampled(settings.sampler, settings.sampler_ratio, trace_id, remote)

    def _adopt_user_provider(self, trace: ModuleType, tracer_provider: TracerProvider) -> bool:
        """Let the first provider that the user sets replace ours; False for any other."""
        provider = self._provider
        if provider is None or tracer_provider is provider or provider.user_provider_set:
            return False
        provider.user_provider_set = True
        if hasattr(tracer_provider, "add_span_processor"):
            exporter = self._exporter
            tracer_provider.add_span_processor(exporter.sdk_processor())
            resource = exporter.encode_resource(getattr(tracer_provider, "resource", None))
            exporter.encoded_resource = resource
            self._adopt(resource)
        provider.delegate = tracer_provider
        trace._TRACER_PROVIDER = tracer_provider  # type: ignore[attr-defined] # what its setter sets
        return True

    # The function imports the SDK.

    def set_up_sdk(self) -> None:
        """Make the SDK's provider the global one, unless the user has set one."""
        if self._provider is not None and self._provider.delegate is None:
            self._load_sdk_provider()

    def _load_sdk_provider(self) -> TracerProvider:
        provider = self._provider
        if provider is None:
            raise UnusableError("opentelemetry.trace is not set up")
        if provider.delegate is not None:
            return provider.delegate
        check_version("opentelemetry-sdk", "opentelemetry.sdk.version")
        import opentelemetry.sdk.trace  # noqa: F401 - the hook on which makes the provider

        return self._make_sdk_provider(provider)

    def _make_sdk_provider(self, provider: Provider) -> TracerProvider:
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
        made.add_span_processor(self._exporter.sdk_processor())
        provider.delegate = made
        trace._TRACER_PROVIDER = made  # what its setter sets, once
        return made

    def _sdk_provider_in_use(self) -> SdkProvider | None:
        """The SDK's provider that makes the spans, None if none does."""
        delegate: Any = self._provider.delegate if self._provider is not None else None
        return delegate if hasattr(delegate, "sampler") else None

    # The invocation.

    def open_spans(self) -> list[tuple[bytes, records.Span]]:
        """(scope, record) of the sampled spans that have not ended, but for the invocation's."""
        found = list(self._provider.open_spans.values()) if self._provider is not None else []
        found += self._exporter.open_sdk_spans()
        return found if self._settings.traces_exported else []

    def begin_invocation(
        self,
        invocation: Invocation,
        baggage: Mapping[str, str],
        late: LateContext | None = None,
    ) -> None:
        """Make the invocation's span the current one.

        `late` is the context of an invocation that was running before the API was imported.
        """
        # What was left open before does not belong to this invocation.
        self._exporter.forget_open_spans()
        if self._provider is not None and late is None:
            self._provider.open_spans.clear()
        from serverless_instrument.wrapper.otel import live_span, tracer
        from serverless_instrument.wrapper.otel.root_span import RootSpan

        root: Span | None = None
        if late is None:
            root = self._start_sdk_root(invocation)
        if root is None and invocation.sampled:
            root = live_span.LiveSpan(invocation.span, self._settings.limits, None)
        elif root is None:
            root = live_span.unsampled(invocation.span)
        context = tracer.context_of(root, baggage)
        if late is not None and late.fill_context(context):
            token: object = late.token
        else:
            token = tracer.attach(context)
        is_ours = isinstance(root, live_span.LiveSpan)
        invocation.live = RootSpan(
            self._exporter,
            self._sdk_provider_in_use,
            root,
            token,
            invocation.parent_flags,
            None if is_ours else self._sdk_provider_in_use(),
        )

    def _start_sdk_root(self, invocation: Invocation) -> Span | None:
        """A span of the SDK's with the invocation's ids, None if no SDK makes the spans."""
        provider = self._sdk_provider_in_use()
        if provider is None:
            return None
        from serverless_instrument.wrapper.otel.root_span import start_sdk_root

        try:
            span = start_sdk_root(
                self._exporter, provider, invocation.span, invocation.parent_flags
            )
        except Exception as error:  # raised by a sampler or processor of the user's
            if not is_ours(error):
                raise
            return None
        invocation.sampled = span.is_recording() and self._settings.traces_exported
        return span
