"""OpenTelemetry's metrics API on our own measurements, without the SDK; loaded on first use.

It has what the specification requires of an SDK, except views: all instruments, temporality by
preference, exemplars, cardinality limit. Recording a value is an append; the SDK needs 10 µs.
https://opentelemetry.io/docs/specs/otel/metrics/api/
"""

from __future__ import annotations

from _thread import RLock
from itertools import pairwise
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

from serverless_instrument import histogram_bounds
from serverless_instrument.wrapper.metrics.exemplar_ids import exemplar_ids_for
from serverless_instrument.wrapper.metrics.measurements import Measurements
from serverless_instrument.wrapper.metrics.meter_instruments import KINDS
from serverless_instrument.wrapper.metrics.metric_instruments import Instrument
from serverless_instrument.wrapper.records import encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Attributes = Mapping[str, object] | None


class Provider(metrics.MeterProvider):
    """The MeterProvider; its measurements are collected with `take_metric_frames`.

    Args:
        cumulative: kinds of instruments with cumulative temporality, keys of `KINDS`.
        exemplars: a value of ``OTEL_METRICS_EXEMPLAR_FILTER``.
        send: takes frames, outside a collection: for ``force_flush`` and a full buffer.
        warn: writes one line.
    """

    def __init__(
        self,
        cumulative: frozenset[str],
        exemplars: str,
        send: Callable[[bytes], None],
        warn: Callable[[str], None],
    ) -> None:
        self.cumulative = cumulative
        self.measurements = Measurements(time_ns())
        self.measurements.exemplar_ids = exemplar_ids_for(exemplars)
        self.measurements.on_full = self._send_measurements
        self._meters: dict[object, Meter] = {}
        self._lock = RLock()
        self._send = send
        self._warn = warn
        self._warned: set[str] = set()
        self.is_shut_down = False

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> metrics.Meter:
        """The meter of an instrumentation scope, the same for the same scope."""
        if self.is_shut_down:
            self.warn_once("the MeterProvider has been shut down: what is measured now is lost")
            return metrics.NoOpMeter(name, version, schema_url)
        scope = encoder.scope(str(name or ""), version or "", schema_url or "", attributes or {})
        with self._lock:
            meter = self._meters.get(scope)
            if meter is None:
                meter = self._meters[scope] = Meter(self, scope, name, version, schema_url)
        return meter

    def warn_once(self, message: str) -> None:
        """Write each different message once, up to a hundred."""
        if message not in self._warned and len(self._warned) < 100:
            self._warned.add(message)
            self._warn(message)

    def take_metric_frames(self, now_unix_ns: int) -> bytes:
        """METRICS frames of what has been measured since the last call."""
        return b"" if self.is_shut_down else self.measurements.take_metric_frames(now_unix_ns)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Send what has been measured so far."""
        self._send_measurements()
        return True

    def _send_measurements(self) -> None:
        if frames := self.take_metric_frames(time_ns()):
            self._send(frames)

    def shutdown(self, timeout_millis: float = 30_000) -> None:  # noqa: ARG002 - as above
        """Send what has been measured, and record nothing more."""
        self.force_flush()
        self.is_shut_down = True

    def after_fork(self) -> None:
        """Forget, in a forked child, what the parent sends; start the totals again."""
        self._lock = RLock()
        self.measurements.after_fork(time_ns())
        for meter in list(self._meters.values()):
            meter.reset_totals()


class Meter(metrics.Meter):
    """Makes one instrument for each combination of kind, name, unit, description and bounds."""

    def __init__(
        self,
        provider: Provider,
        scope: bytes,
        name: str,
        version: str | None,
        schema_url: str | None,
    ) -> None:
        super().__init__(name, version, schema_url)
        self._provider = provider
        self._scope = scope
        self._made: dict[object, Any] = {}
        self._making = RLock()

    def reset_totals(self) -> None:
        """Start the totals of all instruments again, in a forked child."""
        self._making = RLock()
        for made in list(self._made.values()):
            made.instrument.reset_totals()

    def _make_instrument(
        self,
        kind: str,
        name: str,
        unit: str,
        description: str,
        bounds: Sequence[float] = histogram_bounds.DEFAULT,
        callbacks: Sequence[Any] | None = None,
    ) -> Any:
        implementation, point, monotonic, observed = KINDS[kind]
        name = str(name)
        texts = name, str(unit or ""), str(description or "")
        checked = metrics.Instrument._check_name_unit_description(*texts)
        if checked["name"] is None or checked["unit"] is None:
            self._provider.warn_once(
                f'"{name}" with unit "{unit}" is no instrument; use other names'
            )
            return implementation.no_op(name, unit=unit, description=description)
        unit, description = str(checked["unit"]), str(checked["description"])
        # Instrument names are case-insensitive.
        key = kind, name.lower(), unit, description, tuple(bounds)
        with self._making:
            made = self._made.get(key)
            if made is None:
                instrument = Instrument(
                    name,
                    unit,
                    point,
                    self._scope,
                    description,
                    monotonic=monotonic,
                    cumulative=kind in self._provider.cumulative,
                    observed=observed,
                    bounds=bounds,
                )
                made = self._made[key] = implementation(name, unit=unit, description=description)
                made.bind(self._provider, instrument)
        if callbacks is not None:
            made.add_callbacks(callbacks)
        return made

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        """A monotonic sum."""
        return self._make_instrument("counter", name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        """A sum."""
        return self._make_instrument("up_down_counter", name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:
        """The last value."""
        return self._make_instrument("gauge", name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Any:
        """A distribution, in buckets with these inclusive upper bounds."""
        bounds: Sequence[float] = histogram_bounds.DEFAULT
        if explicit_bucket_boundaries_advisory is not None:
            try:
                bounds = [float(bound) for bound in explicit_bucket_boundaries_advisory]
            except (TypeError, ValueError):
                bounds = [1, 0]
            if any(low >= high for low, high in pairwise(bounds)):
                self._provider.warn_once(
                    f'boundaries of "{name}" are no ascending numbers; not used'
                )
                bounds = histogram_bounds.DEFAULT
        return self._make_instrument("histogram", name, unit, description, bounds)

    def create_observable_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        """A monotonic total that callbacks return."""
        return self._make_instrument(
            "observable_counter", name, unit, description, (), callbacks or ()
        )

    def create_observable_up_down_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        """A total that callbacks return."""
        kind = "observable_up_down_counter"
        return self._make_instrument(kind, name, unit, description, (), callbacks or ())

    def create_observable_gauge(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        """A last value that callbacks return."""
        return self._make_instrument(
            "observable_gauge", name, unit, description, (), callbacks or ()
        )
