"""The instruments of OpenTelemetry's metrics API, which append to our measurements.

https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.context import get_current

from serverless_instrument.wrapper.metrics.metric_encoder import GAUGE, HISTOGRAM, SUM
from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.primitives import time_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Protocol

    from serverless_instrument.wrapper.metrics.measurements import Measurement, Measurements
    from serverless_instrument.wrapper.metrics.metric_instruments import Instrument

    Attributes = Mapping[str, object] | None

    class Recorder(Protocol):
        """What an instrument uses of its provider (`meter.Provider`)."""

        measurements: Measurements
        is_shut_down: bool

        def warn_once(self, message: str) -> None:
            """Write a line, unless it has been written before."""
            ...


_LARGEST = 1.7976931348623157e308
# The API's default of `CallbackOptions`; nothing here limits a callback's time.
_CALLBACK_MS = 10_000


class _Bound:
    """The part that all instruments share."""

    def __init__(self, name: str, unit: str = "", description: str = "") -> None:
        """Replaces the API's constructors, which keep nothing."""

    def bind(self, provider: Recorder, instrument: Instrument) -> None:
        """Record values of `instrument` in `provider`'s measurements."""
        self._provider = provider
        self.instrument = instrument
        self._add_measurement = provider.measurements.add_measurement
        self._exemplars = provider.measurements.exemplar_ids is not None

    def _record(self, value: Any, attributes: Any, context: Any) -> None:
        provider, instrument = self._provider, self.instrument
        if provider.is_shut_down:
            return
        kind = type(value)
        if kind is not float and kind is not int:
            value = _as_number(value)
        if not -_LARGEST <= value <= _LARGEST or (instrument.monotonic and value < 0):
            provider.warn_once(
                f'values of "{instrument.name}" that it cannot have are left out: {value}'
            )
            return
        copied: Attributes = None
        if type(attributes) is dict:
            copied = attributes.copy()
        elif attributes is not None:
            copied = self._copied(attributes)
        if self._exemplars:
            self._add_measurement((instrument, value, copied, time_ns(), context or get_current()))
        else:
            self._add_measurement((instrument, value, copied, 0, None))

    def _copied(self, attributes: Any) -> Attributes:
        try:
            return {key: attributes[key] for key in attributes}
        except Exception as error:  # no mapping, or one of the function's own types
            if not is_ours(error):
                raise
            name, kind = self.instrument.name, type_name(error)
            self._provider.warn_once(f'attributes of "{name}" are left out: {kind}: {error}')
            return None


def _as_number(value: Any) -> float:
    """A number of another type; NaN for anything else."""
    try:
        if isinstance(value, int):
            return int(value)
        number: float = value.__float__()  # float() would accept a string
        return number
    except Exception as error:  # the function's own type may raise anything
        if not is_ours(error):
            raise
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
        """Replaces the API's constructor, which has one more parameter."""

    def record(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Record `amount`."""
        self._record(amount, attributes, context)


class Gauge(_Bound, metrics._Gauge):
    """See `Meter.create_gauge`."""

    no_op = metrics._NoOpGauge

    def set(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Set the value to `amount`."""
        self._record(amount, attributes, context)


class _Observable(_Bound):
    """Has callbacks: functions of the options, or generators to which the options are sent."""

    def bind(self, provider: Recorder, instrument: Instrument) -> None:
        """Bind as other instruments, and call the callbacks at each collection."""
        super().bind(provider, instrument)
        self._callbacks: list[Any] = []
        provider.measurements.observers.append(self._call_callbacks)

    def add_callbacks(self, callbacks: Sequence[Any]) -> None:
        """Call `callbacks` too at each collection."""
        for callback in callbacks:
            if hasattr(callback, "send"):
                next(callback, None)  # to its first yield
            self._callbacks.append(callback)

    def _call_callbacks(self) -> list[Measurement]:
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
                        value = _as_number(value)
                    if -_LARGEST <= value <= _LARGEST:
                        copied = self._copied(observation.attributes or {})
                        found.append((self.instrument, value, copied, 0, None))
            except StopIteration:
                continue
            except Exception as error:  # the function's own code
                if not is_ours(error):
                    raise
                name, kind = self.instrument.name, type_name(error)
                self._provider.warn_once(f'a callback of "{name}" failed: {kind}: {error}')
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


# By kind: class, kind of its points, is it monotonic, do callbacks return totals
KINDS: dict[str, tuple[Any, int, bool, bool]] = {
    "counter": (Counter, SUM, True, False),
    "up_down_counter": (UpDownCounter, SUM, False, False),
    "histogram": (Histogram, HISTOGRAM, True, False),
    "gauge": (Gauge, GAUGE, False, False),
    "observable_counter": (ObservableCounter, SUM, True, True),
    "observable_up_down_counter": (ObservableUpDownCounter, SUM, False, True),
    "observable_gauge": (ObservableGauge, GAUGE, False, False),
}
