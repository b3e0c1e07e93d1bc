"""OpenTelemetry metrics in the function: a provider is set up when the function asks for a meter.

The provider is ours, which needs the API alone (`meter.py`), or the SDK's where a setting requires
it, or the function's own. Instrumentations ask for meters too, but get the API's proxies, which do
nothing until there is a provider: a function without metrics of its own pays nothing.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from serverless_instrument import environment
from serverless_instrument.wrapper.import_hooks.package_conflicts import (
    UnusableError,
    check_version,
)
from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.primitives import RLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from opentelemetry.metrics import Meter, MeterProvider

    from serverless_instrument.wrapper.metrics.meter import Provider
    from serverless_instrument.wrapper.metrics.metric_reader import Reader

_INSTRUMENTATIONS = "opentelemetry.instrumentation"
_FILTERS = ("trace_based", "always_on", "always_off")
_RISING = ("counter", "observable_counter", "histogram")
_BOTH_WAYS = ("up_down_counter", "observable_up_down_counter")
# Instruments with cumulative temporality, by preference.
_CUMULATIVE = {
    "delta": frozenset(_BOTH_WAYS),
    "lowmemory": frozenset(("observable_counter", *_BOTH_WAYS)),
    "cumulative": frozenset((*_RISING, *_BOTH_WAYS)),
}


class MetricsBridge:
    """Connects the function's meters with the METRICS frames at the end of each invocation.

    Args:
        resource: attributes of the function's resource.
        send: takes whole frames.
        warn: writes one line.
    """

    def __init__(
        self,
        resource: Mapping[str, object],
        send: Callable[[bytes], None],
        warn: Callable[[str], None],
    ) -> None:
        self._resource = dict(resource)
        self._send = send
        self._warn = warn
        self._readers: list[Reader] = []
        self._own: Provider | None = None
        # Ours, or the SDK's made by us; a provider of the function's replaces it.
        self._made: MeterProvider | None = None
        self._making = RLock()
        self._asked = False
        self._warned: list[str] = []

    def set_up_api(self, metrics: ModuleType) -> None:
        """Intercept requests for meters and the setter of the provider in the API's `metrics`."""
        if environment.value_of(os.environ, "OTEL_PYTHON_METER_PROVIDER"):
            return  # a package's provider, with readers of its own
        internal: Any = sys.modules["opentelemetry.metrics._internal"]
        proxy = internal._ProxyMeterProvider
        get_proxy, original = proxy.get_meter, metrics.set_meter_provider

        def get_meter(provider: object, name: str, *arguments: Any, **more: Any) -> Meter:
            if not str(name).startswith(_INSTRUMENTATIONS):
                self._set_up_provider(original)
            real = internal._METER_PROVIDER
            meter: Meter = (
                get_proxy(provider, name, *arguments, **more)
                if real is None
                else real.get_meter(name, *arguments, **more)
            )
            return meter

        def set_meter_provider(meter_provider: MeterProvider) -> None:
            if internal._METER_PROVIDER is None or internal._METER_PROVIDER is not self._made:
                original(meter_provider)
            else:
                # A module imported earlier has asked for a meter: replace ours.
                self._made = None
                internal._METER_PROVIDER = meter_provider
            self._read_user_provider(meter_provider)

        set_meter_provider.__doc__ = original.__doc__
        proxy.get_meter = get_meter
        metrics.set_meter_provider = set_meter_provider  # type: ignore[attr-defined] # a module

    def _set_up_provider(self, set_meter_provider: Callable[[MeterProvider], None]) -> None:
        """Make our provider, or the SDK's, the global one, once."""
        with self._making:
            if self._asked:
                return
            self._asked = True
            try:
                # What is wrong with that setting is said by the forwarder.
                exponential = environment.exponential_histograms(os.environ, [])
                self._made = self._make_sdk_provider() if exponential else self._make_own_provider()
                set_meter_provider(self._made)
            except UnusableError as error:
                self._warn(f"metrics of the function are not recorded: {error}")
            except Exception as error:  # the function's own packages, in whatever state
                if not is_ours(error):
                    raise
                kind = type_name(error)
                self._warn(f"metrics of the function are not recorded: {kind}: {error}")

    def _chosen(self, setting: str, values: Iterable[str], default: str) -> str:
        warnings: list[str] = []
        chosen = environment.choice(os.environ, setting, values, default, warnings)
        for warning in warnings:
            if warning not in self._warned:
                self._warned.append(warning)
                self._warn(warning)
        return chosen

    def _preference(self) -> str:
        # https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/#additional-environment-variable-configuration
        name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
        return self._chosen(name, _CUMULATIVE, "delta")

    def _make_own_provider(self) -> MeterProvider:
        check_version("opentelemetry-api", "opentelemetry.version")
        from serverless_instrument.wrapper.metrics.meter import Provider

        # https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exemplar
        exemplars = self._chosen("OTEL_METRICS_EXEMPLAR_FILTER", _FILTERS, "trace_based")
        cumulative = _CUMULATIVE[self._preference()]
        self._own = Provider(cumulative, exemplars, self._send, self._warn)
        return self._own

    def _make_sdk_provider(self) -> MeterProvider:
        check_version("opentelemetry-sdk", "opentelemetry.sdk.version")
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource

        return MeterProvider(
            [self._new_reader(exponential=True)],
            resource=Resource(self._resource),  # type: ignore[arg-type] # plain values
            shutdown_on_exit=False,
        )

    def _new_reader(self, *, exponential: bool = False) -> Reader:
        from serverless_instrument.wrapper.metrics.metric_reader import make_reader

        reader = make_reader(self._preference(), exponential=exponential)
        self._readers.append(reader)
        return reader

    def _read_user_provider(self, provider: MeterProvider) -> None:
        """Collect from a provider of the function's own too."""
        self._asked = True
        add = getattr(provider, "add_metric_reader", None)
        if add is not None:
            add(self._new_reader())
        elif hasattr(provider, "force_flush"):
            self._warn(
                "the function's own MeterProvider takes no reader after it is made, so its metrics "
                "go only where its readers send them; update opentelemetry-sdk, or leave it out"
            )

    def take_metric_frames(self, now_unix_ns: int) -> bytes:
        """METRICS frames of what has been measured since the last call."""
        frames = b"" if self._own is None else self._own.take_metric_frames(now_unix_ns)
        return frames + b"".join([reader.take_metric_frames() for reader in self._readers])

    def after_fork(self) -> None:
        """Forget, in a forked child, what the parent sends."""
        self._making = RLock()
        if self._own is not None:
            self._own.after_fork()
        for reader in self._readers:
            reader.after_fork()
