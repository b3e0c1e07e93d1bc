"""What the function's imports start: OpenTelemetry, and the instrumentations of libraries."""

from __future__ import annotations

import sys

from serverless_instrument import wire
from serverless_instrument.wrapper.hooks.table import FRAMEWORKS, INSTRUMENTATIONS
from serverless_instrument.wrapper.import_hooks.post_import_hooks import PostImportHooks
from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.primitives import getpid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from serverless_instrument.wrapper.import_hooks.context_in_threads import LateContext
    from serverless_instrument.wrapper.invocation.invocation import Invocation
    from serverless_instrument.wrapper.logs.log_capture import LogCapture
    from serverless_instrument.wrapper.metrics.metrics_bridge import MetricsBridge
    from serverless_instrument.wrapper.otel.tracing_bridge import TracingBridge
    from serverless_instrument.wrapper.records.propagation import SpanContext
    from serverless_instrument.wrapper.records.records import Span
    from serverless_instrument.wrapper.settings import Settings

_EXTENSIONS = "opentelemetry.instrumentation.botocore.extensions"


class OnImport:
    """Sets up OpenTelemetry and the instrumentations when the function imports their modules.

    It imports nothing of OpenTelemetry before the function or one of its libraries does.

    Args:
        settings: the runtime side's.
        resource: attributes of the function's resource.
        send: sends whole frames.
        adopt: called with an encoded resource, which replaces the function's from then on.
        collect: called with the collector of the function's metrics, once there is one.
        running: returns the invocation that is running now, if any.
        warn: writes one line to the function's log.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Mapping[str, object],
        send: Callable[[bytes], None],
        adopt: Callable[[bytes], None],
        collect: Callable[[MetricsBridge], None],
        running: Callable[[], Invocation | None],
        warn: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._resource = resource
        self._send = send
        self._adopt = adopt
        self._collect = collect
        self._running = running
        self._warn = warn
        self._bridge: TracingBridge | None = None
        self._late: LateContext | None = None
        self._usable = True
        self._warned_of: set[str] = set()
        self._hooks = PostImportHooks(self._warn_of_failed_hook)

    def install(self) -> None:
        """Watch the imports; import the SDK now if a setting needs it."""
        self._hooks.watch_module("opentelemetry.trace", self._api_imported)
        self._hooks.watch_module("opentelemetry.sdk.trace", self._sdk_imported)
        if self._settings.metrics_exported:
            self._hooks.watch_module("opentelemetry.metrics", self._metrics_imported)
        # The SDK of every signal imports this module first.
        self._hooks.watch_module("opentelemetry.sdk.resources", _do_nothing, _refuse_mixture)
        self._hooks.watch_module(f"{_EXTENSIONS}.lmbd", self._lambda_extension_imported)
        self._hooks.watch_module(f"{_EXTENSIONS}.sns", self._sns_extension_imported)
        if self._settings.propagators_given:
            from serverless_instrument.wrapper.import_hooks.propagators_unread import (
                execute_without_propagators,
            )

            self._hooks.watch_module(
                "opentelemetry.propagate", self._propagate_imported, execute_without_propagators
            )
        disabled = self._settings.disabled_instrumentations
        if "*" not in disabled:
            for module_name, (name, class_name) in INSTRUMENTATIONS.items():
                if name not in disabled:
                    self._hooks.watch_module(module_name, self._instrument(name, class_name))
            for module_name, name in FRAMEWORKS.items():
                if name not in disabled:
                    self._hooks.watch_module(module_name, self._learn_routes(name))
        self._hooks.install()
        if self._settings.needs_sdk:
            self._import_sdk()

    def watch_logs(self, logs: LogCapture) -> None:
        """Have `logs` receive records of ``logging`` and OpenTelemetry's Logs API."""
        self._hooks.watch_module("logging", logs.watch_logging)

        def watch_otel_logs(module: ModuleType) -> None:
            from serverless_instrument.wrapper.logs.otel_logs import set_up_logs_api

            set_up_logs_api(module, logs.capture_otel_record)

        self._hooks.watch_module("opentelemetry._logs", watch_otel_logs)

    def _import_sdk(self) -> None:
        try:
            import opentelemetry.sdk.trace  # noqa: F401 - for the hook on it
        except Exception as error:  # the function's own packages may be broken in any way
            if not is_ours(error):
                raise
            self._warn(
                "OTEL_TRACES_SAMPLER or OTEL_PROPAGATORS names what needs opentelemetry-sdk, which "
                f"cannot be imported ({type_name(error)}: {error}); the defaults decide"
            )

    def _warn_of_failed_hook(self, module_name: str, error: Exception) -> None:
        text = " ".join(str(error).split())
        if type_name(error) == "UnusableError":
            self._usable = False
            self._warn(f"OpenTelemetry in the function is not used: {text}")
        else:
            from serverless_instrument.wrapper.import_hooks.package_conflicts import remedy

            reason = f"{type_name(error)}: {text}{remedy(error)}"
            # Several instrumentations often fail for the same reason.
            if reason not in self._warned_of:
                self._warned_of.add(reason)
                self._warn(f"{module_name} is not instrumented: {reason}")

    def _instrument(self, name: str, class_name: str) -> Callable[[ModuleType], None]:
        """A hook that runs an instrumentation of a row of `hooks.table.INSTRUMENTATIONS`."""

        def hook(module: ModuleType) -> None:
            from serverless_instrument.wrapper.hooks.run import instrument_library

            if self._usable:
                instrument_library(
                    name, class_name, module, lambda: self._usable, self._warn_of_failed_hook
                )

        return hook

    def _learn_routes(self, name: str) -> Callable[[ModuleType], None]:
        """A hook that runs function `name` of `hooks.routes`, which follows a web framework."""

        def set_route(route: str) -> None:
            invocation = self._running()
            if invocation is not None:
                invocation.set_route(route)

        def hook(module: ModuleType) -> None:
            from serverless_instrument.wrapper.hooks import routes

            getattr(routes, name)(module, set_route)

        return hook

    def _api_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.otel.tracing_bridge import TracingBridge

        bridge = TracingBridge(
            self._settings,
            self._resource,
            self._send,
            lambda resource: wire.frame(wire.HELLO, wire.pack_hello(getpid(), b"", resource)),
            self._adopt,
            self._warn,
        )
        bridge.set_up_api(module)
        self._bridge = bridge
        invocation = self._running()
        if invocation is not None:
            bridge.begin_invocation(invocation, self._baggage(invocation), self._late)
        if "serverless_instrument.wrapper.record_span" in sys.modules:
            from serverless_instrument.wrapper.record_span import attach_to_otel

            attach_to_otel(self._settings.limits)

    def _sdk_imported(self, module: ModuleType) -> None:  # noqa: ARG002 - the signature of a hook
        if self._bridge is not None:
            self._bridge.set_up_sdk()

    def _metrics_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.metrics.metrics_bridge import MetricsBridge

        bridge = MetricsBridge(self._resource, self._send, self._warn)
        bridge.set_up_api(module)
        self._collect(bridge)

    def _lambda_extension_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.hooks.botocore import preserve_lambda_payload

        preserve_lambda_payload(module)

    def _sns_extension_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.hooks.botocore import preserve_sns_entries

        preserve_sns_entries(module)

    def _propagate_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.otel.propagators import composite_propagator

        module.set_global_textmap(composite_propagator(self._settings.propagators, self._warn))

    def open_spans(self) -> list[tuple[bytes, Span]]:
        """(scope, record) of the function's spans that have not ended."""
        return self._bridge.open_spans() if self._bridge is not None else []

    def begin_invocation(self, invocation: Invocation) -> None:
        """Make the invocation's span OpenTelemetry's current one, now or at its import."""
        if self._bridge is not None:
            self._bridge.begin_invocation(invocation, self._baggage(invocation))
            return
        from serverless_instrument.wrapper.import_hooks.context_in_threads import LateContext

        self._late = LateContext()

    def _baggage(self, invocation: Invocation) -> Mapping[str, str]:
        header = invocation.carrier.get("baggage")
        if not header or "baggage" not in self._settings.propagators:
            return {}
        from serverless_instrument.wrapper.records.propagation import parse_baggage

        return parse_baggage(header)

    def extract_remote_parent(self, headers: Mapping[str, str]) -> SpanContext | None:
        """The remote parent that OpenTelemetry's global propagator finds in `headers`."""
        try:
            from serverless_instrument.wrapper.otel.propagators import extract_parent

            return extract_parent(headers)
        except Exception as error:  # of a package's propagator, or of the import, which has warned
            if not is_ours(error):
                raise
            return None


def _do_nothing(module: ModuleType) -> None:  # noqa: ARG001 - the signature of a hook
    return


def _refuse_mixture(module: ModuleType, execution: Callable[[ModuleType], None]) -> None:
    from serverless_instrument.wrapper.import_hooks.package_conflicts import check_same_release

    check_same_release()
    execution(module)
