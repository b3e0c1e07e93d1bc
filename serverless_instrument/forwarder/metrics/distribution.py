"""Histogram points of values that come without buckets, as EMF's and StatsD's do. Pure."""

from __future__ import annotations

from bisect import bisect_left
from math import frexp, ldexp, log

from serverless_instrument import histogram_bounds
from serverless_instrument.forwarder.metrics import exponential_buckets
from serverless_instrument.forwarder.metrics.histogram_points import ExponentialHistogram, Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[tuple[float, int]]

# The largest value of either sign that CloudWatch takes; sums of such doubles stay finite:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
LARGEST = 2.0**360
# How often one value may have been measured, so that sums of counts fit 64 bits.
MOST_TIMES = 1_000_000_000

_BOUNDS: dict[str, tuple[float, ...]] = {
    "s": histogram_bounds.SECONDS,
    "us": tuple([bound * 1000 for bound in histogram_bounds.DEFAULT]),
    "By": histogram_bounds.BYTES,
    "%": tuple([float(step) for step in range(5, 101, 5)]),
}


# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation
_FINEST_SCALE = 20
_INDICES_PER_LOG = ldexp(1 / log(2), _FINEST_SCALE)
# The exponent of the least normal double; subnormal values are in the bucket below it.
_LEAST_EXPONENT = -1022


def is_value(value: object) -> bool:
    """Whether `value` is a number from -`LARGEST` to `LARGEST`, and no bool."""
    # bool is an int; NaN compares as False.
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST  # type: ignore[operator] # a number by now


def histogram_point(
    pairs: Pairs, unit: str, time_unix_ns: int, *, exponential: bool = False
) -> Histogram | ExponentialHistogram:
    """The point of `pairs`, at least one (value, how often it was measured).

    Values pass `is_value`, counts are from 1 to `MOST_TIMES`. `unit` chooses the boundaries of
    explicit buckets.
    """
    point = _exponential(pairs) if exponential else _explicit(pairs, unit)
    values = [float(value) for value, _ in pairs]
    point.start_unix_ns = point.time_unix_ns = time_unix_ns
    point.count = sum([times for _, times in pairs])
    point.total = float(sum([value * times for value, times in pairs]))
    point.least, point.most = min(values), max(values)
    return point


def _explicit(pairs: Pairs, unit: str) -> Histogram:
    bounds = _BOUNDS.get(unit, histogram_bounds.DEFAULT)
    point = Histogram.of_bounds(bounds)
    for value, times in pairs:
        point.counts[bisect_left(bounds, value)] += times
    return point


def _exponential(pairs: Pairs) -> ExponentialHistogram:
    point = ExponentialHistogram()
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for value, times in pairs:
        if value:
            side, index = sides[value < 0], _index(abs(float(value)))
            side[index] = side.get(index, 0) + times
        else:
            point.zero_count += times
    found = exponential_buckets.merge_sides((_FINEST_SCALE, *sides), (_FINEST_SCALE, {}, {}))
    point.scale, point.positive, point.negative = found
    return point


def _index(value: float) -> int:
    """The index of the bucket of `value` at the finest scale; upper boundaries are inclusive."""
    mantissa, exponent = frexp(value)
    if exponent <= _LEAST_EXPONENT:
        return (_LEAST_EXPONENT << _FINEST_SCALE) - 1
    if mantissa == 0.5:
        return (exponent - 1 << _FINEST_SCALE) - 1
    # Rounding must not lead into the next power of two.
    least = exponent - 1 << _FINEST_SCALE
    most = (exponent << _FINEST_SCALE) - 1
    return max(least, min(int(log(value) * _INDICES_PER_LOG // 1), most))
