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
from opentelemetry.context import get_current

from serverless_instrument.wrapper import encoder
from serverless_instrument.wrapper.exemplar_ids import ids_of
from serverless_instrument.wrapper.measurements import Measurements
from serverless_instrument.wrapper.metric_encoder import GAUGE, HISTOGRAM, SUM
from serverless_instrument.wrapper.metric_instruments import BOUNDS, Instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from serverless_instrument.wrapper.measurements import Measurement

    Attributes = Mapping[str, object] | None

_LARGEST = 1.7976931348623157e308
# Lambda has no clock that says when a callback must be done: the specification's default.
_CALLBACK_MS = 10_000


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
        bounds: Sequence[float] = BOUNDS,
        callbacks: Sequence[Any] | None = None,
    ) -> Any:
        implementation, point, monotonic, observed = _KINDS[kind]
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
        bounds: Sequence[float] = BOUNDS
        if explicit_bucket_boundaries_advisory is not None:
            try:
                bounds = [float(bound) for bound in explicit_bucket_boundaries_advisory]
            except (TypeError, ValueError):
                bounds = [1, 0]
            if any(low >= high for low, high in pairwise(bounds)):
                self._provider.say(f'boundaries of "{name}" are no ascending numbers; not used')
                bounds = BOUNDS
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


class _Bound:
    """What all instruments have: where values go."""

    def __init__(self, name: str, unit: str = "", description: str = "") -> None:
        """The API's bases keep nothing."""

    def bind(self, provider: Provider, instrument: Instrument) -> None:
        """Record from now on."""
        self._provider = provider
        self.instrument = instrument
        self._add = provider.measurements.add
        self._exemplars = provider.measurements.ids is not None

    def _record(self, value: Any, attributes: Any, context: Any) -> None:
        provider, instrument = self._provider, self.instrument
        if provider.ended:
            return
        kind = type(value)
        if kind is not float and kind is not int:
            value = _plain(value)
        if not -_LARGEST <= value <= _LARGEST or (instrument.monotonic and value < 0):
            provider.say(f'values of "{instrument.name}" that it cannot have are left out: {value}')
            return
        told: Attributes = None
        if type(attributes) is dict:
            told = attributes.copy()
        elif attributes is not None:
            told = self._told(attributes)
        if self._exemplars:
            self._add((instrument, value, told, time_ns(), context or get_current()))
        else:
            self._add((instrument, value, told, 0, None))

    def _told(self, attributes: Any) -> Attributes:
        try:
            return {key: attributes[key] for key in attributes}
        except Exception as error:  # no mapping, or one of the function's own
            name, kind = self.instrument.name, type(error).__name__
            self._provider.say(f'attributes of "{name}" are left out: {kind}: {error}')
            return None


def _plain(value: Any) -> float:
    """A number of another type; NaN for anything else."""
    try:
        if isinstance(value, int):
            return int(value)
        number: float = value.__float__()  # float() would take a text
        return number
    except Exception:  # the function's own type may raise anything
        return float("nan")


class Counter(_Bound, metrics.Counter):
    """See `Meter.create_counter`."""

    no_op = metrics.NoOpCounter

    def add(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Add `amount`, at least 0."""
        self._record(amount, attributes, context)


class UpDownCounter(_Bound, metrics.UpDownCounter):
    """See `Meter.create_up_down_counter`."""

    no_op = metrics.NoOpUpDownCounter

    def add(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Add `amount`."""
        self._record(amount, attributes, context)


class Histogram(_Bound, metrics.Histogram):
    """See `Meter.create_histogram`."""

    no_op = metrics.NoOpHistogram

    def __init__(self, name: str, unit: str = "", description: str = "") -> None:
        """The API's base has a parameter more."""

    def record(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Take note of `amount`."""
        self._record(amount, attributes, context)


class Gauge(_Bound, metrics._Gauge):
    """See `Meter.create_gauge`."""

    no_op = metrics._NoOpGauge

    def set(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Take `amount` for the value."""
        self._record(amount, attributes, context)


class _Observable(_Bound):
    """Has callbacks, which are functions, or generators that are sent the options."""

    def bind(self, provider: Provider, instrument: Instrument) -> None:
        """As the others; and ask callbacks at each collection."""
        super().bind(provider, instrument)
        self._callbacks: list[Any] = []
        provider.measurements.observers.append(self._observed)

    def observe(self, callbacks: Sequence[Any]) -> None:
        """Ask `callbacks` as well."""
        for callback in callbacks:
            if hasattr(callback, "send"):
                next(callback, None)  # to its first yield
            self._callbacks.append(callback)

    def _observed(self) -> list[Measurement]:
        found: list[Measurement] = []
        options = metrics.CallbackOptions(_CALLBACK_MS)
        for callback in self._callbacks:
            try:
                observations: Iterable[Any] = (
                    callback.send(options) if hasattr(callback, "send") else callback(options)
                )
                for observation in observations or ():
                    value = observation.value
                    if type(value) not in (int, float):
                        value = _plain(value)
                    if -_LARGEST <= value <= _LARGEST:
                        told = self._told(observation.attributes or {})
                        found.append((self.instrument, value, told, 0, None))
            except StopIteration:
                continue
            except Exception as error:  # the function's own code
                name, kind = self.instrument.name, type(error).__name__
                self._provider.say(f'a callback of "{name}" failed: {kind}: {error}')
        return found


class ObservableCounter(_Observable, metrics.ObservableCounter):
    """See `Meter.create_observable_counter`."""

    no_op = metrics.NoOpObservableCounter


class ObservableUpDownCounter(_Observable, metrics.ObservableUpDownCounter):
    """See `Meter.create_observable_up_down_counter`."""

    no_op = metrics.NoOpObservableUpDownCounter


class ObservableGauge(_Observable, metrics.ObservableGauge):
    """See `Meter.create_observable_gauge`."""

    no_op = metrics.NoOpObservableGauge


# implementation, kind of its points, whether nothing is below 0, whether callbacks tell totals
_KINDS: dict[str, tuple[Any, int, bool, bool]] = {
    "counter": (Counter, SUM, True, False),
    "up_down_counter": (UpDownCounter, SUM, False, False),
    "histogram": (Histogram, HISTOGRAM, True, False),
    "gauge": (Gauge, GAUGE, False, False),
    "observable_counter": (ObservableCounter, SUM, True, True),
    "observable_up_down_counter": (ObservableUpDownCounter, SUM, False, True),
    "observable_gauge": (ObservableGauge, GAUGE, False, False),
}
