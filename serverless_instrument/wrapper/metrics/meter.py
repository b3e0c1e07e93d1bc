"""OpenTelemetry's metrics API on our own measurements, without the SDK; loaded on first use.

Everything that the specification asks of an SDK without views: all instruments, temporality by
preference, exemplars, cardinality limit. A value costs an append, where the SDK's own costs 10 µs.
https://opentelemetry.io/docs/specs/otel/metrics/api/
"""

from __future__ import annotations

from itertools import pairwise
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

from serverless_instrument import histogram_bounds
from serverless_instrument.wrapper.metrics.exemplar_ids import ids_of
from serverless_instrument.wrapper.metrics.measurements import Measurements
from serverless_instrument.wrapper.metrics.meter_instruments import KINDS
from serverless_instrument.wrapper.metrics.metric_instruments import Instrument
from serverless_instrument.wrapper.records import encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Attributes = Mapping[str, object] | None


class Provider(metrics.MeterProvider):
    """Meters whose measurements are collected with `take`.

    Args:
        cumulative: names of instruments, as in the API's ``create_…``, that keep their totals.
        exemplars: as ``OTEL_METRICS_EXEMPLAR_FILTER``.
        send: takes frames at once, for ``force_flush``.
        warn: says one line.
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
        self.measurements.ids = ids_of(exemplars)
        self.measurements.relieve = self._hand_over
        self._meters: dict[object, Meter] = {}
        self._lock = Lock()
        self._send = send
        self._warn = warn
        self._said: set[str] = set()
        self.ended = False

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> metrics.Meter:
        """The meter of an instrumentation scope, the same for the same scope."""
        if self.ended:
            self.say("the MeterProvider has been shut down: what is measured now is lost")
            return metrics.NoOpMeter(name, version, schema_url)
        scope = encoder.scope(str(name or ""), version or "", schema_url or "", attributes or {})
        with self._lock:
            meter = self._meters.get(scope)
            if meter is None:
                meter = self._meters[scope] = Meter(self, scope, name, version, schema_url)
        return meter

    def say(self, message: str) -> None:
        """One line, once."""
        if message not in self._said and len(self._said) < 100:
            self._said.add(message)
            self._warn(message)

    def take(self, now_unix_ns: int) -> bytes:
        """METRICS frames of what has been measured since the last call."""
        return b"" if self.ended else self.measurements.take(now_unix_ns)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Hand over what has been measured so far."""
        self._hand_over()
        return True

    def _hand_over(self) -> None:
        if frames := self.take(time_ns()):
            self._send(frames)

    def shutdown(self, timeout_millis: float = 30_000) -> None:  # noqa: ARG002 - as above
        """Hand over what has been measured, and measure nothing more."""
        self.force_flush()
        self.ended = True

    def after_fork(self) -> None:
        """In a child: what waits is the parent's to send, and totals begin anew."""
        self._lock = Lock()
        self.measurements.after_fork(time_ns())
        for meter in list(self._meters.values()):
            meter.forget()


class Meter(metrics.Meter):
    """Makes instruments; one for each name, kind, unit and description."""

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
        self._making = Lock()

    def forget(self) -> None:
        """Begin totals anew: this is another process."""
        self._making = Lock()
        for made in list(self._made.values()):
            made.instrument.forget()

    def _make(
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
            self._provider.say(f'"{name}" with unit "{unit}" is no instrument; use other names')
            return implementation.no_op(name, unit=unit, description=description)
        unit, description = str(checked["unit"]), str(checked["description"])
        # Names are the same in upper and lower case.
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
            made.observe(callbacks)
        return made

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        """A sum that only grows."""
        return self._make("counter", name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        """A sum."""
        return self._make("up_down_counter", name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:
        """The last value."""
        return self._make("gauge", name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Any:
        """A distribution, in buckets with these upper bounds."""
        bounds: Sequence[float] = histogram_bounds.DEFAULT
        if explicit_bucket_boundaries_advisory is not None:
            try:
                bounds = [float(bound) for bound in explicit_bucket_boundaries_advisory]
            except (TypeError, ValueError):
                bounds = [1, 0]
            if any(low >= high for low, high in pairwise(bounds)):
                self._provider.say(f'boundaries of "{name}" are no ascending numbers; not used')
                bounds = histogram_bounds.DEFAULT
        return self._make("histogram", name, unit, description, bounds)

    def create_observable_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        """A total that only grows, told by callbacks."""
        return self._make("observable_counter", name, unit, description, (), callbacks or ())

    def create_observable_up_down_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        """A total, told by callbacks."""
        kind = "observable_up_down_counter"
        return self._make(kind, name, unit, description, (), callbacks or ())

    def create_observable_gauge(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        """A last value, told by callbacks."""
        return self._make("observable_gauge", name, unit, description, (), callbacks or ())
