"""What the function has measured since the last collection, to METRICS frames.

To record is to append: everything else waits for the end of the invocation, where values are
grouped and encoded; the forwarder merges them with those of other invocations.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wire import field
from serverless_instrument.wrapper.metrics.metric_encoder import (
    GAUGE,
    HISTOGRAM,
    MESSAGE_LIMIT_BYTES,
    SUM,
    series,
    split,
)
from serverless_instrument.wrapper.metrics.metric_instruments import Instrument
from serverless_instrument.wrapper.records.encoder import SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from serverless_instrument.wrapper.metrics.metric_instruments import Ids, Series, Value

    Attributes = Mapping[str, object] | None
    # (instrument, value, attributes, time in Unix nanoseconds, OpenTelemetry's context or None)
    Measurement = tuple[Instrument, float, Attributes, int, object]

_KINDS = {"histogram": HISTOGRAM, "counter": SUM, "gauge": GAUGE}
# A loop without an end must not fill the function's memory: so many are sent at once.
_MOST_WAITING = 20_000
# Names that are kept from one invocation to the next.
_MOST_NAMES = 2000


class Measurements:
    """Values in the order in which they came; `dropped` counts what there was no room for.

    Args:
        now_unix_ns: when the first interval begins.
    """

    __slots__ = (
        "_named",
        "_since_unix_ns",
        "_told_dropped",
        "_turn",
        "_waiting",
        "dropped",
        "ids",
        "observers",
        "relieve",
    )

    def __init__(self, now_unix_ns: int) -> None:
        self._waiting: list[Measurement] = []
        self._since_unix_ns = now_unix_ns
        self._named: dict[tuple[str, str, str], Instrument] = {}
        # Whose turn it is to collect; nobody waits for it, as popping is atomic.
        self._turn = [True]
        self._told_dropped = 0
        self.dropped = 0
        # What gives a measurement's exemplar its ids; None for no exemplars.
        self.ids: Ids | None = None
        # Sends what waits when it has become too much; None for one that cannot.
        self.relieve: Callable[[], None] | None = None
        # Asked at each collection.
        self.observers: list[Callable[[], Iterable[Measurement]]] = []

    def record(self, name: str, value: float, unit: str, attributes: Attributes, kind: str) -> None:
        """Keep one value of ``serverless_instrument.metric``."""
        key = (name, unit, kind)
        instrument = self._named.get(key)
        if instrument is None:
            instrument = Instrument(name, unit, _KINDS[kind], SCOPE)
            if len(self._named) < _MOST_NAMES:
                self._named[key] = instrument
        self.add((instrument, value, attributes, 0, None))

    def add(self, measurement: Measurement) -> None:
        """Keep one value; an append, which needs no lock."""
        if len(self._waiting) >= _MOST_WAITING and not self._relieved():
            self.dropped += 1
        else:
            self._waiting.append(measurement)

    def _relieved(self) -> bool:
        try:
            if self.relieve is not None:
                self.relieve()
        except Exception:  # the function that records must not see what is wrong with it
            return False
        return len(self._waiting) < _MOST_WAITING

    def take(self, now_unix_ns: int) -> bytes:
        """METRICS frames of everything since the last call, b"" where that is nothing."""
        if not (self._waiting or self.observers or self.dropped != self._told_dropped):
            return b""
        try:
            self._turn.pop()
        except IndexError:
            # Who is at it, the deadline's thread or a callback's caller, sends what it finds.
            return b""
        try:
            # Other threads go on recording: what they append after this stays.
            count = len(self._waiting)
            taken = self._waiting[:count]
            del self._waiting[:count]
            for observe in self.observers:
                taken += observe()
            # A wall clock may step back.
            now_unix_ns = max(now_unix_ns, self._since_unix_ns)
            encoded = self._frames(taken, now_unix_ns) if taken else b""
            return self._tell_dropped() + encoded
        finally:
            self._turn.append(True)

    def after_fork(self, now_unix_ns: int) -> None:
        """In a child: what waits is the parent's to send, and totals are as well."""
        self._turn = [True]
        self._waiting.clear()
        self._since_unix_ns = now_unix_ns
        self._told_dropped = self.dropped

    def _tell_dropped(self) -> bytes:
        dropped = self.dropped - self._told_dropped
        self._told_dropped += dropped
        return wire.dropped_frame(dropped, wire.METRICS) if dropped else b""

    def _frames(self, taken: list[Measurement], now_unix_ns: int) -> bytes:
        start_unix_ns, self._since_unix_ns = self._since_unix_ns, now_unix_ns
        groups: dict[tuple[Instrument, Series], list[Value]] = {}
        told: dict[tuple[Instrument, Series], Attributes] = {}
        for instrument, value, attributes, time_unix_ns, context in taken:
            try:
                key = (instrument, series(attributes) if attributes else ())
                values = groups.get(key)
            except Exception:  # a value of the function's own type may compare as it likes
                self.dropped += 1
                continue
            if values is None:
                key = (instrument, instrument.admit(key[1]))
                values = groups.setdefault(key, [])
                told[key] = attributes
            values.append((value, time_unix_ns, context))
        # By metric, and what follows its points.
        points: dict[tuple[Instrument, bytes], list[bytes]] = {}
        for key, values in groups.items():
            instrument, of_instrument = key
            instrument.size = 0
            try:
                point, tail = instrument.point(
                    of_instrument, told[key], values, start_unix_ns, now_unix_ns, self.ids
                )
            except Exception:  # as above; the others are not to suffer
                self.dropped += len(values)
                continue
            points.setdefault((instrument, tail), []).append(field(b"\x0a", point))
        items: dict[bytes, list[bytes]] = {}
        for (instrument, tail), encoded in points.items():
            of_scope = items.setdefault(instrument.scope, [])
            of_scope.extend(split(instrument.head, instrument.kind, encoded, tail))
        return b"".join([frames(scope, told_of) for scope, told_of in items.items()])


def frames(scope: bytes, items: list[bytes]) -> bytes:
    """METRICS frames of `items`, each of a size that a frame may have."""
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
        # A single point of that size; no backend would take it.
        return wire.dropped_frame(len(items), wire.METRICS)
    return wire.batch_frame(wire.METRICS, scope, joined, len(items))
