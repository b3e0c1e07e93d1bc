"""Metrics that the function records through `serverless_instrument.metric`, without the SDK.

What an invocation has recorded becomes one METRICS frame at its end; the forwarder merges it with
those of other invocations.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct

from serverless_instrument import wire
from serverless_instrument.wire import field
from serverless_instrument.wrapper import metric_encoder
from serverless_instrument.wrapper.encoder import attributes as encoded_attributes
from serverless_instrument.wrapper.invocation import MESSAGE_LIMIT_BYTES, SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Recorded = tuple[str, float, str, Mapping[str, object] | None, str]

KINDS = ("histogram", "counter", "gauge")
# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation
BOUNDS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
# A histogram's point in one operation: `metric_encoder.histogram_point` costs three times as much.
_TIMES = Struct("<BQBQ").pack
_FIXED64 = Struct("<Q").pack
_DOUBLE = Struct("<d").pack
_COUNTS = Struct(f"<{len(BOUNDS) + 1}Q").pack
_BOUNDS = field(b"\x3a", Struct(f"<{len(BOUNDS)}d").pack(*BOUNDS))
# A loop without an end must not fill the function's memory; the rest is counted.
_MOST_WAITING = 20_000


class Measurements:
    """What has been recorded since the last `take`; `dropped` counts what there was no room for."""

    __slots__ = ("_since_unix_ns", "_waiting", "dropped")

    def __init__(self, now_unix_ns: int) -> None:
        self._waiting: list[Recorded] = []
        self._since_unix_ns = now_unix_ns
        self.dropped = 0

    def record(
        self, name: str, value: float, unit: str, attributes: Mapping[str, object] | None, kind: str
    ) -> None:
        """Keep one value; an append, which needs no lock."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((name, value, unit, attributes, kind))
        else:
            self.dropped += 1

    def take(self, now_unix_ns: int) -> bytes:
        """METRICS frames of everything recorded, b"" where that is nothing."""
        if not self._waiting:
            return b""
        waiting, self._waiting = self._waiting, []
        start_unix_ns, self._since_unix_ns = self._since_unix_ns, now_unix_ns
        series: dict[tuple[object, ...], list[float]] = {}
        told: dict[tuple[object, ...], Mapping[str, object]] = {}
        for name, value, unit, attributes, kind in waiting:
            key: tuple[object, ...] = (name, unit, kind)
            if attributes:
                key += _series(attributes)
                told[key] = attributes
            values = series.get(key)
            if values is None:
                series[key] = [value]
            else:
                values.append(value)
        items = []
        for key, values in series.items():
            items.append(_item(key, told.get(key), values, start_unix_ns, now_unix_ns))
        return frames(SCOPE, items)


def _item(
    key: tuple[object, ...],
    attributes: Mapping[str, object] | None,
    values: list[float],
    start_unix_ns: int,
    now_unix_ns: int,
) -> bytes:
    name, unit, kind = str(key[0]), str(key[1]), key[2]
    if kind == "gauge":
        point = metric_encoder.number_point(attributes, 0, now_unix_ns, values[-1])
        return metric_encoder.metric(name, "", unit, metric_encoder.GAUGE, (point,))
    if kind == "counter":
        total = sum(values)
        point = metric_encoder.number_point(attributes, start_unix_ns, now_unix_ns, total)
        return metric_encoder.metric(
            name, "", unit, metric_encoder.SUM, (point,), monotonic=min(values) >= 0
        )
    head, said = _texts(key, attributes)
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    point = b"%b%b\x21%b\x29%b\x59%b\x61%b\x32\x80\x01%b%b" % (
        said,
        _TIMES(0x11, start_unix_ns, 0x19, now_unix_ns),
        _FIXED64(len(values)),
        _DOUBLE(sum(values)),
        _DOUBLE(min(values)),
        _DOUBLE(max(values)),
        _COUNTS(*counts),
        _BOUNDS,
    )
    body = field(b"\x4a", b"%b\x10\x01" % field(b"\x0a", point))
    return field(b"\x12", head + body)


# By series, what is the same in every invocation: name and unit, attributes.
_known_texts: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
_MOST_KNOWN = 1000


def _texts(key: tuple[object, ...], attributes: Mapping[str, object] | None) -> tuple[bytes, bytes]:
    known = _known_texts.get(key)
    if known is None:
        unit = str(key[1]).encode("utf-8", "replace")
        known = (
            field(b"\x0a", str(key[0]).encode("utf-8", "replace"))
            + (field(b"\x1a", unit) if unit else b""),
            encoded_attributes(b"\x4a", b"", attributes, None, None) if attributes else b"",
        )
        if len(_known_texts) < _MOST_KNOWN:
            _known_texts[key] = known
    return known


def _series(attributes: Mapping[str, object]) -> tuple[object, ...]:
    """What tells series apart; the forwarder does not mind the order of attributes."""
    key = (*attributes.items(), *map(type, attributes.values()))  # True is no 1
    try:
        hash(key)
    except TypeError:  # a value may be a list
        return (repr(attributes),)
    return key


def frames(scope: bytes, items: list[bytes]) -> bytes:
    """METRICS frames of `items`, each of a size that a frame may have."""
    made, start, size = [], 0, 0
    for index, item in enumerate(items):
        if size + len(item) > MESSAGE_LIMIT_BYTES and index > start:
            joined = b"".join(items[start:index])
            made.append(wire.batch_frame(wire.METRICS, scope, joined, index - start))
            start, size = index, 0
        size += len(item)
    if size and size <= wire.MAX_PAYLOAD_BYTES // 4 * 3:
        joined = b"".join(items[start:])
        made.append(wire.batch_frame(wire.METRICS, scope, joined, len(items) - start))
    return b"".join(made)
