"""An instrument of the function, and the data points of its values of one collection. Pure.

What is the same in every invocation is encoded once: names, units, bucket boundaries, attributes.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct

from serverless_instrument import histogram_bounds
from serverless_instrument.wire import field
from serverless_instrument.wrapper.metrics.metric_encoder import GAUGE, HISTOGRAM, head
from serverless_instrument.wrapper.records.encoder import attributes as encoded_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    # (value, time in Unix nanoseconds, OpenTelemetry's context or None)
    Value = tuple[float, int, object]
    # OpenTelemetry's context -> the exemplar's encoded span and trace id; None for no exemplar.
    Ids = Callable[[object], bytes | None]
    Series = tuple[object, ...]

# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
CARDINALITY_LIMIT = 2000
OVERFLOW: Series = (("otel.metric.overflow", True), bool)
_OVERFLOW_ATTRIBUTES = {"otel.metric.overflow": True}

_INTEGER = Struct("<BQBQBq").pack
_DOUBLE = Struct("<BQBQBd").pack
_HISTOGRAM = Struct("<BQBQBQBdBdBd").pack
_EXEMPLAR_INTEGER = Struct("<BQBq").pack
_EXEMPLAR_DOUBLE = Struct("<BQBd").pack
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_DELTA, _CUMULATIVE = b"\x10\x01", b"\x10\x02"
_MONOTONIC = b"\x18\x01"


class Instrument:
    """One metric; `head` is its name, description and unit, encoded.

    Args:
        kind: `SUM`, `HISTOGRAM` or `GAUGE`.
        scope: the tagged scope of its frames.
        monotonic: whether the sum is monotonic; None where the values of each collection decide.
        cumulative: whether its points cover all time since the start; else since the last
            collection.
        observed: whether values are totals, as callbacks return them.
        bounds: of a histogram's buckets, upper and inclusive, in ascending order.
    """

    __slots__ = (
        "_bounds",
        "_counts",
        "_encoded_attributes",
        "_encoded_bounds",
        "_single",
        "_totals",
        "cumulative",
        "head",
        "kind",
        "monotonic",
        "name",
        "observed",
        "scope",
        "series_count",
    )

    def __init__(
        self,
        name: str,
        unit: str,
        kind: int,
        scope: bytes,
        description: str = "",
        *,
        monotonic: bool | None = None,
        cumulative: bool = False,
        observed: bool = False,
        bounds: Sequence[float] = histogram_bounds.DEFAULT,
    ) -> None:
        self.name = name
        self.kind = kind
        self.scope = scope
        self.monotonic = monotonic
        self.cumulative = cumulative
        self.observed = observed
        # Number of series in this collection, for the cardinality limit.
        self.series_count = 0
        self.head = head(name, description, unit)
        self._totals: dict[Series, _Total] = {}
        self._encoded_attributes: dict[Series, bytes] = {}
        if kind == HISTOGRAM:
            self._bounds = tuple(bounds)
            self._counts = Struct(f"<{len(bounds) + 1}Q").pack
            packed = Struct(f"<{len(bounds)}d").pack(*bounds)
            self._encoded_bounds = field(b"\x3a", packed) if bounds else b""
            # Encoded counts and bounds of a single value, by its bucket.
            self._single: dict[int, bytes] = {}

    def limited_series(self, series: Series) -> Series:
        """`series`, or `OVERFLOW` where it would exceed the cardinality limit."""
        if self.cumulative or self.observed:
            if series in self._totals:
                return series
            self.series_count = max(self.series_count, len(self._totals))
        if self.series_count >= CARDINALITY_LIMIT - 1:
            return OVERFLOW
        self.series_count += 1
        return series

    def reset_totals(self) -> None:
        """Start the totals again, in a forked child."""
        self._totals.clear()

    def encode_point(
        self,
        series: Series,
        attributes: Mapping[str, object] | None,
        values: list[Value],
        start_unix_ns: int,
        now_unix_ns: int,
        ids: Ids | None,
    ) -> tuple[bytes, bytes]:
        """(data point of `values`, encoded fields that follow the points in their message)."""
        encoded = self._encoded_attributes.get(series)
        if encoded is None:
            encoded = self._encode_attributes(series, attributes)
        if self.kind == HISTOGRAM:
            body = self._histogram(series, values, start_unix_ns, now_unix_ns, ids)
            return encoded + body, self._temporality
        value = self._number(series, values)
        if self.cumulative:
            start_unix_ns = self._totals[series].start(start_unix_ns)
        tail = b"" if ids is None else _exemplar(b"\x2a", values[-1], ids)
        if self.kind == GAUGE:
            # A gauge's point has no start time.
            return encoded + _number_body(value, start_unix_ns, now_unix_ns)[9:] + tail, b""
        monotonic = self.monotonic
        if monotonic is None:
            monotonic = min([each[0] for each in values]) >= 0
        point = encoded + _number_body(value, start_unix_ns, now_unix_ns) + tail
        return point, self._temporality + (_MONOTONIC if monotonic else b"")

    @property
    def _temporality(self) -> bytes:
        return _CUMULATIVE if self.cumulative else _DELTA

    def _encode_attributes(self, series: Series, values: Mapping[str, object] | None) -> bytes:
        if series == OVERFLOW:
            values = _OVERFLOW_ATTRIBUTES
        tag = b"\x4a" if self.kind == HISTOGRAM else b"\x3a"
        if values and not all(type(key) is str for key in values):
            values = {str(key): value for key, value in values.items()}
        encoded = encoded_attributes(tag, b"", values, None, None) if values else b""
        if len(self._encoded_attributes) < CARDINALITY_LIMIT:
            self._encoded_attributes[series] = encoded
        return encoded

    def _number(self, series: Series, values: list[Value]) -> float:
        if self.kind == GAUGE:
            return values[-1][0]
        if not self.observed:
            value = sum([each[0] for each in values])
            if self.cumulative:
                value += self._total(series).value
                self._totals[series].value = value
            return value
        total, value = self._total(series), values[-1][0]
        before, total.value = total.value, value
        return value if self.cumulative else value - before

    def _total(self, series: Series) -> _Total:
        total = self._totals.get(series)
        if total is None:
            total = self._totals[series] = _Total()
        return total

    def _histogram(
        self,
        series: Series,
        values: list[Value],
        start_unix_ns: int,
        now_unix_ns: int,
        ids: Ids | None,
    ) -> bytes:
        bounds = self._bounds
        places = [bisect_left(bounds, value[0]) for value in values]
        if len(values) == 1 and not self.cumulative:
            count, total = 1, values[0][0]
            least = most = total
            buckets = self._single.get(places[0]) or self._single_bucket(places[0])
        else:
            numbers = [value[0] for value in values]
            counts = [0] * (len(bounds) + 1)
            for place in places:
                counts[place] += 1
            total, least, most = sum(numbers), min(numbers), max(numbers)
            if self.cumulative:
                known = self._total(series)
                start_unix_ns = known.start(start_unix_ns)
                counts, total, least, most = known.add_values(counts, total, least, most)
            count, buckets = sum(counts), self._buckets(counts)
        times = 0x11, start_unix_ns, 0x19, now_unix_ns
        totals = _HISTOGRAM(*times, 0x21, count, 0x29, total, 0x59, least, 0x61, most)
        if ids is None:
            return totals + buckets
        # The latest value of each bucket.
        latest = dict(zip(places, values, strict=True)).values()
        return totals + buckets + b"".join([_exemplar(b"\x42", value, ids) for value in latest])

    def _single_bucket(self, place: int) -> bytes:
        counts = [0] * (len(self._bounds) + 1)
        counts[place] = 1
        encoded = self._single[place] = self._buckets(counts)
        return encoded

    def _buckets(self, counts: list[int]) -> bytes:
        return field(b"\x32", self._counts(*counts)) + self._encoded_bounds


class _Total:
    """The totals of one series since the start."""

    __slots__ = ("counts", "least", "most", "start_unix_ns", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self.start_unix_ns = 0
        self.counts: list[int] = []
        self.least, self.most = float("inf"), float("-inf")

    def start(self, start_unix_ns: int) -> int:
        """The start time: `start_unix_ns` of the first call."""
        self.start_unix_ns = self.start_unix_ns or start_unix_ns
        return self.start_unix_ns

    def add_values(
        self, counts: list[int], value: float, least: float, most: float
    ) -> tuple[list[int], float, float, float]:
        """Add one collection's values; returns the totals."""
        before = self.counts or [0] * len(counts)
        self.counts = [mine + new for mine, new in zip(before, counts, strict=True)]
        self.value += value
        self.least, self.most = min(self.least, least), max(self.most, most)
        return self.counts, self.value, self.least, self.most


def _number_body(value: float, start_unix_ns: int, now_unix_ns: int) -> bytes:
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return _INTEGER(0x11, start_unix_ns, 0x19, now_unix_ns, 0x31, value)
    return _DOUBLE(0x11, start_unix_ns, 0x19, now_unix_ns, 0x21, value)


def _exemplar(tag: bytes, value: Value, ids: Ids) -> bytes:
    number, time_unix_ns, context = value
    encoded_ids = ids(context) if time_unix_ns else None
    if encoded_ids is None:
        return b""
    if isinstance(number, int) and _INT64_MIN <= number <= _INT64_MAX:
        start = _EXEMPLAR_INTEGER(0x11, time_unix_ns, 0x31, number)
    else:
        start = _EXEMPLAR_DOUBLE(0x11, time_unix_ns, 0x19, number)
    return field(tag, start + encoded_ids)
