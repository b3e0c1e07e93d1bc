"""The instruments of OpenTelemetry's metrics API, each of which appends to our measurements.

https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.context import get_current

from serverless_instrument.wrapper.metrics.metric_encoder import GAUGE, HISTOGRAM, SUM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from serverless_instrument.wrapper.metrics.measurements import Measurement
    from serverless_instrument.wrapper.metrics.meter import Provider
    from serverless_instrument.wrapper.metrics.metric_instruments import Instrument

    Attributes = Mapping[str, object] | None

_LARGEST = 1.7976931348623157e308
# Lambda has no clock that says when a callback must be done: the specification's default.
_CALLBACK_MS = 10_000


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
KINDS: dict[str, tuple[Any, int, bool, bool]] = {
    "counter": (Counter, SUM, True, False),
    "up_down_counter": (UpDownCounter, SUM, False, False),
    "histogram": (Histogram, HISTOGRAM, True, False),
    "gauge": (Gauge, GAUGE, False, False),
    "observable_counter": (ObservableCounter, SUM, True, True),
    "observable_up_down_counter": (ObservableUpDownCounter, SUM, False, True),
    "observable_gauge": (ObservableGauge, GAUGE, False, False),
}
