"""Templates of encoded series, to decode their next points without walking the message. Pure.

A function's series differ from one invocation to the next in times, values and exemplars only. A
template compares the bytes around these; messages that match none are decoded in full, by
`metric_series.read_metric`.
"""

from __future__ import annotations

from struct import Struct

from serverless_instrument.forwarder.metrics.histogram_points import Histogram
from serverless_instrument.forwarder.metrics.metric_points import (
    HISTOGRAM,
    MAX_EXEMPLARS,
    SUM,
    Number,
)
from serverless_instrument.forwarder.metrics.metric_series import DELTA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from serverless_instrument.forwarder.metrics.metric_points import Attributes, Point
    from serverless_instrument.forwarder.metrics.metric_series import Metric

_TIMES = Struct("<BQBQ")
_INTEGER, _DOUBLE = 0x31, 0x21
_SUMS = {_INTEGER: Struct("<BQBQBq"), _DOUBLE: Struct("<BQBQBd")}
_EXEMPLARS = {SUM: 0x2A, HISTOGRAM: 0x42}
# The length of a shorter message is encoded in one byte.
_SHORT_BYTES = 128
_MAX_PER_LENGTH = 32
_MAX_TEMPLATES = 2000


class Template:
    """Template of one series of delta sums or explicit histograms.

    `point` is that of the series in this interval, None where nothing has come yet.
    """

    __slots__ = (
        "_at",
        "_end",
        "_fixed",
        "_key",
        "_prefix",
        "_rest",
        "_struct",
        "_tail",
        "attributes",
        "metric",
        "point",
    )

    def __init__(
        self,
        item: bytes,
        metric: Metric,
        attributes: Attributes,
        point: Point,
        layout: tuple[int, Struct, bytes],
    ) -> None:
        self._at, self._struct, self._tail = layout
        self._prefix = item[: self._at]
        self._rest = self._at + self._struct.size
        self._end = len(item) - len(self._tail)
        self._key = point.key
        self.metric = metric
        self.attributes = attributes
        self.point: Point | None = None
        # What stands between the values.
        self._fixed = self._between(self._struct.unpack_from(item, self._at))

    def _between(self, values: tuple[Any, ...]) -> tuple[object, ...]:
        if self.metric.kind == SUM:
            return values[0:6:2]
        return (*values[0:12:2], values[12], values[-1])

    def read_item(self, item: bytes) -> Point | None:
        """The point of `item`, equal to what `read_metric` gives; None if it does not match."""
        if not (item.startswith(self._prefix) and item.endswith(self._tail)):
            return None
        values = self._struct.unpack_from(item, self._at)
        exemplars = _exemplars(item, self._rest, self._end, self.metric.kind)
        if exemplars is None or self._between(values) != self._fixed:
            return None
        point: Point
        if self.metric.kind == SUM:
            point = Number.of_value(values[5], values[1], values[3])
        else:
            point = Histogram.of_counts(self._key, list(values[13:-1]))
            point.start_unix_ns, point.time_unix_ns = values[1], values[3]
            point.count, point.total, point.least, point.most = values[5:12:2]
        point.exemplars = exemplars
        return point


class Templates:
    """Templates of one resource and scope, by the length of their items."""

    __slots__ = ("_by_length", "_count")

    def __init__(self) -> None:
        self._by_length: dict[int, list[Template]] = {}
        self._count = 0

    def match_item(self, item: bytes) -> tuple[Template, Point] | None:
        """The template that a ``Metric`` message matches, and its point."""
        for template in self._by_length.get(len(item), ()):
            point = template.read_item(item)
            if point is not None:
                return template, point
        return None

    def add_template(
        self, item: bytes, metric: Metric, attributes: Attributes, point: Point
    ) -> None:
        """Make a template from `item`, whose only point is `point`, if it can be one."""
        alike = self._by_length.setdefault(len(item), [])
        if self._count >= _MAX_TEMPLATES or len(alike) >= _MAX_PER_LENGTH:
            return
        layout = _layout(item, metric, point)
        if layout is not None:
            self._count += 1
            alike.append(Template(item, metric.without_points(), attributes, point, layout))


def _layout(item: bytes, metric: Metric, point: Point) -> tuple[int, Struct, bytes] | None:
    """(offset of the values, their layout, bytes after the exemplars); None if it is unusual."""
    times = _TIMES.pack(0x11, point.start_unix_ns, 0x19, point.time_unix_ns)
    at = item.find(times)
    if metric.temporality != DELTA or metric.kind not in _EXEMPLARS or at < 0:
        return None
    values: Struct | None
    if isinstance(point, Histogram):
        buckets, bounds = point.encode_buckets()
        head = buckets[: len(buckets) - 8 * len(point.counts)]
        values = Struct(f"<BQBQBQBdBdBd{len(head)}s{len(point.counts)}Q{len(bounds)}s")
    else:
        values = _SUMS.get(item[at + _TIMES.size])
    tail = b"\x10\x01\x18\x01" if metric.monotonic else b"\x10\x01"
    if values is None:
        return None
    # Every byte must be compared or decoded by `Template.read_item`.
    rest, end = at + values.size, len(item) - len(tail)
    usual = item[at:rest] == times + point.body() and item.endswith(tail)
    known = _exemplars(item, rest, end, metric.kind) == point.exemplars
    return (at, values, tail) if usual and known else None


def _exemplars(item: bytes, start: int, end: int, kind: int) -> list[bytes] | None:
    """Exemplars of less than 128 bytes each; None if there is anything else, or there are more."""
    found = []
    tag = _EXEMPLARS[kind]
    while start < end:
        size = item[start + 1]
        if item[start] != tag or size >= _SHORT_BYTES or start + 2 + size > end:
            return None
        found.append(item[start + 2 : start + 2 + size])
        start += 2 + size
    return found if len(found) <= MAX_EXEMPLARS else None
