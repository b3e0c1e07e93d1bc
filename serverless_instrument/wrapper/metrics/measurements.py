"""Measurements of the function since the last collection, and their METRICS frames. Pure.

Recording a value is an append. Values are grouped and encoded at the end of the invocation; the
forwarder merges them with those of other invocations.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wire import field
from serverless_instrument.wrapper.metrics.metric_encoder import (
    GAUGE,
    HISTOGRAM,
    MESSAGE_LIMIT_BYTES,
    SUM,
    series_key,
    split_metric,
)
from serverless_instrument.wrapper.metrics.metric_instruments import Instrument
from serverless_instrument.wrapper.records import is_ours
from serverless_instrument.wrapper.records.encoder import SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from serverless_instrument.wrapper.metrics.metric_instruments import Ids, Series, Value

    Attributes = Mapping[str, object] | None
    # (instrument, value, attributes, time in Unix nanoseconds, OpenTelemetry's context or None)
    Measurement = tuple[Instrument, float, Attributes, int, object]

_KINDS = {"histogram": HISTOGRAM, "counter": SUM, "gauge": GAUGE}
# An endless loop must not fill the function's memory: at this many, `on_full` sends them.
_MAX_WAITING = 20_000
# Instruments of `serverless_instrument.metric` that are kept from one invocation to the next.
_MAX_NAMED = 2000


class Measurements:
    """Recorded values in their order; `dropped` counts those that could not be kept or encoded.

    Args:
        now_unix_ns: when the first interval begins.
    """

    __slots__ = (
        "_named",
        "_reported_dropped",
        "_since_unix_ns",
        "_turn",
        "_waiting",
        "dropped",
        "exemplar_ids",
        "observers",
        "on_full",
    )

    def __init__(self, now_unix_ns: int) -> None:
        self._waiting: list[Measurement] = []
        self._since_unix_ns = now_unix_ns
        self._named: dict[tuple[str, str, str], Instrument] = {}
        # Has one item while a thread collects, its own object. `setdefault` is atomic, so that no
        # thread waits for another; and no exception can come between claiming and knowing it.
        self._turn: dict[str, object] = {}
        self._reported_dropped = 0
        self.dropped = 0
        # Encodes the ids of a measurement's exemplar; None for no exemplars.
        self.exemplar_ids: Ids | None = None
        # Called when `_MAX_WAITING` values wait, to send them; None where they cannot be sent.
        self.on_full: Callable[[], None] | None = None
        # Called at each collection: observable instruments, with the values of their callbacks.
        self.observers: list[Callable[[], Iterable[Measurement]]] = []

    def record_value(
        self, name: str, value: float, unit: str, attributes: Attributes, kind: str
    ) -> None:
        """Keep one value of ``serverless_instrument.metric``."""
        key = (name, unit, kind)
        instrument = self._named.get(key)
        if instrument is None:
            instrument = Instrument(name, unit, _KINDS[kind], SCOPE)
            if len(self._named) < _MAX_NAMED:
                self._named[key] = instrument
        self.add_measurement((instrument, value, attributes, 0, None))

    def add_measurement(self, measurement: Measurement) -> None:
        """Keep one value; an append, which needs no lock."""
        if len(self._waiting) >= _MAX_WAITING and not self._make_room():
            self.dropped += 1
        else:
            self._waiting.append(measurement)

    def _make_room(self) -> bool:
        try:
            if self.on_full is not None:
                self.on_full()
        except Exception as error:  # the function that records a value must not see it
            if not is_ours(error):
                raise
            return False
        return len(self._waiting) < _MAX_WAITING

    def take_metric_frames(self, now_unix_ns: int) -> bytes:
        """METRICS frames of everything since the last call; b"" for nothing.

        Also b"" while another thread, or the caller of a callback, is collecting: it sends the
        values.
        """
        if not (self._waiting or self.observers or self.dropped != self._reported_dropped):
            return b""
        own, turn = object(), self._turn
        try:
            if turn.setdefault("own", own) is not own:
                return b""
            # Other threads go on recording: what they append from here on stays.
            count = len(self._waiting)
            taken = self._waiting[:count]
            del self._waiting[:count]
            for observe in self.observers:
                taken += observe()
            # A wall clock may step back.
            now_unix_ns = max(now_unix_ns, self._since_unix_ns)
            encoded = self._frames(taken, now_unix_ns) if taken else b""
            return self._dropped_frame() + encoded
        finally:
            if "own" in turn and turn["own"] is own:
                del turn["own"]

    def after_fork(self, now_unix_ns: int) -> None:
        """Forget, in a forked child, the values and counts that the parent sends."""
        self._turn = {}
        self._waiting.clear()
        self._since_unix_ns = now_unix_ns
        self._reported_dropped = self.dropped

    def _dropped_frame(self) -> bytes:
        dropped = self.dropped - self._reported_dropped
        self._reported_dropped += dropped
        return wire.dropped_frame(dropped, wire.METRICS) if dropped else b""

    def _frames(self, taken: list[Measurement], now_unix_ns: int) -> bytes:
        start_unix_ns, self._since_unix_ns = self._since_unix_ns, now_unix_ns
        groups: dict[tuple[Instrument, Series], list[Value]] = {}
        attributes_by_key: dict[tuple[Instrument, Series], Attributes] = {}
        for instrument, value, attributes, time_unix_ns, context in taken:
            try:
                key = (instrument, series_key(attributes) if attributes else ())
                values = groups.get(key)
            except Exception as error:  # a value of the function's own type may compare as it likes
                if not is_ours(error):
                    raise
                self.dropped += 1
                continue
            if values is None:
                key = (instrument, instrument.limited_series(key[1]))
                values = groups.setdefault(key, [])
                attributes_by_key[key] = attributes
            values.append((value, time_unix_ns, context))
        # By instrument and the fields that follow its points.
        points: dict[tuple[Instrument, bytes], list[bytes]] = {}
        for key, values in groups.items():
            instrument, of_instrument = key
            instrument.series_count = 0
            try:
                point, tail = instrument.encode_point(
                    of_instrument,
                    attributes_by_key[key],
                    values,
                    start_unix_ns,
                    now_unix_ns,
                    self.exemplar_ids,
                )
            except Exception as error:  # as above; the other series are still sent
                if not is_ours(error):
                    raise
                self.dropped += len(values)
                continue
            points.setdefault((instrument, tail), []).append(field(b"\x0a", point))
        items: dict[bytes, list[bytes]] = {}
        for (instrument, tail), encoded in points.items():
            of_scope = items.setdefault(instrument.scope, [])
            of_scope.extend(split_metric(instrument.head, instrument.kind, encoded, tail))
        return b"".join([metric_frames(scope, of_scope) for scope, of_scope in items.items()])


def metric_frames(scope: bytes, items: list[bytes]) -> bytes:
    """METRICS frames of tagged ``Metric`` `items`, each within the size limit of a frame."""
    made, start, size = [], 0, 0
    for index, item in enumerate(items):
        if size + len(item) > MESSAGE_LIMIT_BYTES and index > start:
            made.append(_frame(scope, items[start:index]))
            start, size = index, 0
        size += len(item)
    if size:
        made.append(_frame(scope, items[start:]))
    return b"".join(made)


def _frame(scope: bytes, items: list[bytes]) -> bytes:
    joined = b"".join(items)
    if len(joined) + len(scope) > wire.MAX_PAYLOAD_BYTES - MESSAGE_LIMIT_BYTES // 8:
        # A single point of that size, which no backend would accept.
        return wire.dropped_frame(len(items), wire.METRICS)
    return wire.batch_frame(wire.METRICS, scope, joined, len(items))
