"""OpenTelemetry metrics in the function: the SDK is set up when the function asks for a meter.

Instrumentations ask for meters, too, but get the API's proxies, which do nothing until there is a
provider: a function that measures nothing of its own never loads the SDK of metrics.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.sdk import UnusableError, check_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.metrics import Meter, MeterProvider

    from serverless_instrument.wrapper.metric_reader import Reader

_INSTRUMENTATIONS = "opentelemetry.instrumentation"
_PREFERENCE = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"


class MetricsBridge:
    """Between the function's meters and the METRICS frames at the end of each invocation.

    Args:
        resource: attributes of the function's resource.
        warn: says one line.
    """

    def __init__(self, resource: Mapping[str, object], warn: Callable[[str], None]) -> None:
        self._resource = dict(resource)
        self._warn = warn
        self._reader: Reader | None = None
        self._made: MeterProvider | None = None
        self._asked = False

    def api_imported(self, metrics: ModuleType) -> None:
        """Watch who asks for a meter, and who sets a provider."""
        if os.environ.get("OTEL_PYTHON_METER_PROVIDER"):
            return  # one that a package provides, with readers of its own
        internal: Any = sys.modules["opentelemetry.metrics._internal"]
        proxy = internal._ProxyMeterProvider
        get_proxy, original = proxy.get_meter, metrics.set_meter_provider

        def get_meter(provider: object, name: str, *arguments: Any, **more: Any) -> Meter:
            if not str(name).startswith(_INSTRUMENTATIONS):
                self._set_up(original)
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
                # A module imported before has asked for a meter: ours gives way.
                self._made = None
                internal._METER_PROVIDER = meter_provider
            self._join(meter_provider)

        set_meter_provider.__doc__ = original.__doc__
        proxy.get_meter = get_meter
        metrics.set_meter_provider = set_meter_provider  # type: ignore[attr-defined] # a module

    def _set_up(self, set_meter_provider: Callable[[MeterProvider], None]) -> None:
        """Make the SDK's provider the global one, once."""
        if self._asked:
            return
        self._asked = True
        try:
            check_version("opentelemetry-sdk", "opentelemetry.sdk.version")
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.resources import Resource

            self._made = MeterProvider(
                [self._new_reader()],
                resource=Resource(self._resource),  # type: ignore[arg-type] # plain values
                shutdown_on_exit=False,
            )
            set_meter_provider(self._made)
        except UnusableError as error:
            self._warn(f"metrics of the function are not recorded: {error}")
        except Exception as error:  # the function's own packages, in whatever state
            kind = type(error).__name__
            self._warn(f"metrics of the function are not recorded: {kind}: {error}")

    def _new_reader(self) -> Reader:
        from serverless_instrument.wrapper.metric_reader import make

        self._reader = make(os.environ.get(_PREFERENCE, ""), self._warn)
        return self._reader

    def _join(self, provider: MeterProvider) -> None:
        """Collect from a provider of the function's own as well."""
        self._asked = True
        add = getattr(provider, "add_metric_reader", None)
        if add is not None:
            add(self._new_reader())
        elif hasattr(provider, "force_flush"):
            self._warn(
                "the function's own MeterProvider takes no reader after it is made, so its metrics "
                "go only where its readers send them; update opentelemetry-sdk, or leave it out"
            )

    def take(self) -> bytes:
        """METRICS frames of what has been measured since the last call."""
        return self._reader.take() if self._reader is not None else b""
