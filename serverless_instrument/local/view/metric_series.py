"""Metrics of a run by series, the points of all flushes together. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from math import ldexp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from serverless_instrument.local.view.otlp_data import Data

    # (lower boundary, upper boundary, count)
    Bucket = tuple[float, float, int]

# AggregationTemporality: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
_DELTA = 1
_INFINITY = float("inf")


@dataclass
class Series:
    """One metric with one set of attributes.

    Attributes:
        points: as `otlp_data.metric` has them; of a gauge or a cumulative one, the last alone.
    """

    name: str
    unit: str
    type: str
    attributes: Data
    points: list[Data] = field(default_factory=list)

    def value(self) -> float | None:
        """A sum's total or a gauge's last value; None for other types."""
        if self.type not in {"sum", "gauge"}:
            return None
        return sum([_number(point) for point in self.points])

    def distribution(self) -> Distribution | None:
        """The points of a histogram of either kind, or of a summary; None for other types."""
        return None if self.type in {"sum", "gauge"} else Distribution(self.points)


class Distribution:
    """The points of a histogram taken together.

    Attributes:
        count: number of values.
        mean: None where the points have no sum.
        most: the largest value; None where the points have no maximum.
    """

    def __init__(self, points: Sequence[Data]) -> None:
        counted = [point for point in points if int(point.get("count", 0))]
        self.count = sum(int(point["count"]) for point in counted)
        self.mean = self.most = None
        if counted and all("sum" in point for point in counted):
            self.mean = sum(float(point["sum"]) for point in counted) / self.count
        if counted and all("max" in point for point in counted):
            self.most = max(float(point["max"]) for point in counted)
        self._buckets = [bucket for point in counted for bucket in _buckets(point)]

    def quantile(self, fraction: float) -> float | None:
        """Estimated quantile, values spread evenly within their bucket; None without buckets."""
        total = sum(count for _, _, count in self._buckets)
        if not total:
            return None
        wanted = fraction * total
        edges = sorted({edge for low, high, _ in self._buckets for edge in (low, high)})
        index = bisect_left(edges, wanted, key=lambda edge: self._below(edge, at=True))
        edge = edges[min(index, len(edges) - 1)]
        before, up_to = edges[max(index - 1, 0)], self._below(edge, at=False)
        least = self._below(before, at=True)
        if up_to <= wanted or up_to <= least:
            return edge
        return before + (edge - before) * max(wanted - least, 0) / (up_to - least)

    def _below(self, edge: float, *, at: bool) -> float:
        """Number of values below `edge`, or up to and including it if `at`."""
        found = 0.0
        for low, high, count in self._buckets:
            if high < edge or (high == edge and (at or low < high)):
                found += count
            elif low < edge < high:
                found += count * (edge - low) / (high - low)
        return found


def collect_series(metrics: Iterable[Data]) -> list[Series]:
    """Series in the order in which they came first.

    Args:
        metrics: as `otlp_data.metric` makes them.
    """
    found: dict[tuple[str, ...], Series] = {}
    for metric in metrics:
        adds_up = metric["type"] != "gauge" and metric.get("aggregationTemporality") == _DELTA
        for point in metric["dataPoints"]:
            identity = (metric["name"], metric["unit"] or "", metric["type"])
            key = (*identity, repr(sorted(point["attributes"].items())))
            series = found.setdefault(key, Series(*identity, point["attributes"]))
            if not adds_up:
                series.points.clear()
            series.points.append(point)
    return list(found.values())


def _number(point: Data) -> float:
    return float(point["asInt"] if "asInt" in point else point.get("asDouble", 0))


def _buckets(point: Data) -> list[Bucket]:
    """The non-empty buckets of `point`, none wider than its minimum and maximum allow."""
    least = float(point.get("min", -_INFINITY))
    most = float(point.get("max", _INFINITY))
    found = _exponential(point) if "scale" in point or "positive" in point else _explicit(point)
    # A point without buckets counts as one bucket of all values.
    all_of_them = [(-_INFINITY, _INFINITY, int(point["count"]))]
    clamped = [_clamped(*bucket, least, most) for bucket in found or all_of_them]
    return [bucket for bucket in clamped if bucket[2] and abs(bucket[0]) < _INFINITY]


def _clamped(low: float, high: float, count: int, least: float, most: float) -> Bucket:
    low, high = min(max(low, least), most), max(min(high, most), least)
    # A bucket without an end is taken as its beginning.
    low = low if low > -_INFINITY else high
    return low, high if high < _INFINITY else low, count


def _explicit(point: Data) -> list[Bucket]:
    bounds = [float(bound) for bound in point.get("explicitBounds", ())]
    counts = [int(count) for count in point.get("bucketCounts", ())]
    edges = [-_INFINITY, *bounds, _INFINITY]
    return list(zip(edges, edges[1:], counts, strict=False))


def _exponential(point: Data) -> list[Bucket]:
    """https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram"""
    scale = int(point.get("scale", 0))
    found = [(0.0, 0.0, int(point.get("zeroCount", 0)))]
    for sign, name in ((1, "positive"), (-1, "negative")):
        buckets = point.get(name, {})
        offset = int(buckets.get("offset", 0))
        for index, count in enumerate(buckets.get("bucketCounts", ()), offset):
            low, high = sorted((sign * _boundary(index, scale), sign * _boundary(index + 1, scale)))
            found.append((low, high, int(count)))
    return found


def _boundary(index: int, scale: int) -> float:
    try:
        return float(2.0 ** ldexp(index, -scale))
    except OverflowError:  # the last bucket ends above the largest float
        return _INFINITY if index > 0 else 0.0
