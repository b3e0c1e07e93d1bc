"""What the function's imports set going: OpenTelemetry, and instrumentations of libraries."""

from __future__ import annotations

import os
import sys

from serverless_instrument import wire
from serverless_instrument.wrapper.hooks.table import FRAMEWORKS, INSTRUMENTATIONS
from serverless_instrument.wrapper.import_hooks.import_hooks import PostImportHooks
from serverless_instrument.wrapper.settings import PROPAGATORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from serverless_instrument.wrapper.import_hooks.context_in_threads import LateContext
    from serverless_instrument.wrapper.invocation import Invocation
    from serverless_instrument.wrapper.logs.logs import Logs
    from serverless_instrument.wrapper.metrics.sdk_metrics import MetricsBridge
    from serverless_instrument.wrapper.otel.sdk import Bridge
    from serverless_instrument.wrapper.records.propagation import SpanContext
    from serverless_instrument.wrapper.records.records import Span
    from serverless_instrument.wrapper.settings import Settings

_EXTENSIONS = "opentelemetry.instrumentation.botocore.extensions"
# Of `deprecation.py`, besides the API's own module.
_OTHER_USERS_OF_TYPING = ("opentelemetry.propagators.composite", "opentelemetry._logs._internal")


class OnImport:
    """Nothing of OpenTelemetry is imported here before the function, or a library of its, asks.

    Args:
        settings: the runtime side's.
        resource: attributes of the function's resource.
        send: takes whole frames.
        adopt: takes an encoded resource that is the function's from now on.
        running: the invocation that is running now, if any.
        warn: says one line.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Mapping[str, object],
        send: Callable[[bytes], None],
        adopt: Callable[[bytes], None],
        running: Callable[[], Invocation | None],
        warn: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._resource = resource
        self._send = send
        self._adopt = adopt
        self._running = running
        self._warn = warn
        self._bridge: Bridge | None = None
        # Collects the metrics of the function, where it has imported their API.
        self.metrics: MetricsBridge | None = None
        self._late: LateContext | None = None
        self._usable = True
        self._said: set[str] = set()
        self._hooks = PostImportHooks(self._failed)

    def install(self) -> None:
        """Watch for the imports; import the SDK now if a setting needs it."""
        self._hooks.watch("opentelemetry.trace", self._api_imported, _lean_typing)
        for module_name in _OTHER_USERS_OF_TYPING:
            self._hooks.watch(module_name, _nothing, _lean_typing)
        self._hooks.watch("opentelemetry.sdk.trace", self._sdk_imported)
        if self._settings.metrics_exported:
            self._hooks.watch("opentelemetry.metrics", self._metrics_imported)
        # What the SDK of every signal imports first.
        self._hooks.watch("opentelemetry.sdk.resources", _nothing, _refuse_mixture)
        self._hooks.watch(f"{_EXTENSIONS}.lmbd", self._lambda_extension_imported)
        self._hooks.watch(f"{_EXTENSIONS}.sns", self._sns_extension_imported)
        if self._settings.propagators_given:
            self._hooks.watch(
                "opentelemetry.propagate", self._propagate_imported, self._without_propagators
            )
        disabled = self._settings.disabled_instrumentations
        if "*" not in disabled:
            for module_name, (name, class_name) in INSTRUMENTATIONS.items():
                if name not in disabled:
                    self._hooks.watch(module_name, self._instrument(name, class_name))
            for module_name, name in FRAMEWORKS.items():
                if name not in disabled:
                    self._hooks.watch(module_name, self._learn_routes(name))
        self._hooks.install()
        if self._settings.needs_sdk:
            self._import_sdk()

    def watch_logs(self, logs: Logs) -> None:
        """Have `logs` see what ``logging`` and OpenTelemetry's Logs API get, once imported."""
        self._hooks.watch("logging", logs.watch_logging)

        def otel_imported(module: ModuleType) -> None:
            from serverless_instrument.wrapper.logs.otel_logs import set_up

            set_up(module, logs.send_record)

        self._hooks.watch("opentelemetry._logs", otel_imported)

    def _import_sdk(self) -> None:
        try:
            import opentelemetry.sdk.trace  # noqa: F401 - for the hook on it
        except Exception as error:  # the function's own packages, in whatever state
            self._warn(
                "OTEL_TRACES_SAMPLER or OTEL_PROPAGATORS names what needs opentelemetry-sdk, which "
                f"cannot be imported ({type(error).__name__}: {error}); the defaults decide"
            )

    def _failed(self, module_name: str, error: Exception) -> None:
        text = " ".join(str(error).split())
        if type(error).__name__ == "UnusableError":
            self._usable = False
            self._warn(f"OpenTelemetry in the function is not used: {text}")
        else:
            from serverless_instrument.wrapper.import_hooks.package_conflicts import remedy

            reason = f"{type(error).__name__}: {text}{remedy(error)}"
            # What defeats one instrumentation often defeats the next: once is enough.
            if reason not in self._said:
                self._said.add(reason)
                self._warn(f"{module_name} is not instrumented: {reason}")

    def _instrument(self, name: str, class_name: str) -> Callable[[ModuleType], None]:
        def hook(module: ModuleType) -> None:
            from serverless_instrument.wrapper.hooks.run import run

            if self._usable:
                run(name, class_name, module, lambda: self._usable, self._failed)

        return hook

    def _learn_routes(self, name: str) -> Callable[[ModuleType], None]:
        def found(route: str) -> None:
            invocation = self._running()
            if invocation is not None:
                invocation.found_route(route)

        def hook(module: ModuleType) -> None:
            from serverless_instrument.wrapper.hooks import routes

            getattr(routes, name)(module, found)

        return hook

    def _api_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.otel.sdk import Bridge

        bridge = Bridge(
            self._settings,
            self._resource,
            self._send,
            lambda resource: wire.frame(wire.HELLO, wire.pack_hello(os.getpid(), b"", resource)),
            self._adopt,
            self._warn,
        )
        bridge.api_imported(module)
        self._bridge = bridge
        invocation = self._running()
        if invocation is not None:
            bridge.begin(invocation, self._baggage(invocation), self._late)
        if "serverless_instrument.wrapper.manual" in sys.modules:
            from serverless_instrument.wrapper.manual import otel_imported

            otel_imported(self._settings.limits)

    def _sdk_imported(self, module: ModuleType) -> None:  # noqa: ARG002 - as every hook
        if self._bridge is not None:
            self._bridge.sdk_imported()

    def _metrics_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.metrics.sdk_metrics import MetricsBridge

        bridge = MetricsBridge(self._resource, self._send, self._warn)
        bridge.api_imported(module)
        self.metrics = bridge

    def _lambda_extension_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.hooks.botocore import keep_payload

        keep_payload(module)

    def _sns_extension_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.hooks.botocore import keep_entries

        keep_entries(module)

    def _without_propagators(self) -> Callable[[], None]:
        """Import the API's module without the setting: it fails where a package is missing."""
        value = os.environ.pop(PROPAGATORS, None)

        def restore() -> None:
            if value is not None:
                os.environ[PROPAGATORS] = value

        return restore

    def _propagate_imported(self, module: ModuleType) -> None:
        from serverless_instrument.wrapper.otel.propagators import composite

        module.set_global_textmap(composite(self._settings.propagators, self._warn))

    def open_spans(self) -> list[tuple[bytes, Span]]:
        """(scope, record) of the function's spans that have not ended."""
        return self._bridge.open_spans() if self._bridge is not None else []

    def begin(self, invocation: Invocation) -> None:
        """Make the invocation's span the current one, for OpenTelemetry code if there is any."""
        if self._bridge is not None:
            self._bridge.begin(invocation, self._baggage(invocation))
            return
        from serverless_instrument.wrapper.import_hooks.context_in_threads import LateContext

        self._late = LateContext()

    def _baggage(self, invocation: Invocation) -> Mapping[str, str]:
        header = invocation.carrier.get("baggage")
        if not header or "baggage" not in self._settings.propagators:
            return {}
        from serverless_instrument.wrapper.records.propagation import parse_baggage

        return parse_baggage(header)

    def extract(self, headers: Mapping[str, str]) -> SpanContext | None:
        """The remote parent that a propagator which is not ours finds."""
        try:
            from serverless_instrument.wrapper.otel.propagators import extract

            return extract(headers)
        except Exception:  # a package's propagator, or no OpenTelemetry at all: said at its import
            return None


def _nothing(module: ModuleType) -> None:  # noqa: ARG001 - as every hook
    return


def _lean_typing() -> Callable[[], None] | None:
    from serverless_instrument.wrapper.import_hooks.deprecation import without_typing_extensions

    return without_typing_extensions()


def _refuse_mixture() -> None:
    from serverless_instrument.wrapper.import_hooks.package_conflicts import refuse_mixture

    refuse_mixture()
