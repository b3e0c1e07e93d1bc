"""Values of metrics that come with no buckets of their own, as points of a histogram; pure."""

from __future__ import annotations

from bisect import bisect_left
from math import frexp, ldexp, log
from struct import pack

from serverless_instrument import histogram_bounds
from serverless_instrument.forwarder.codec import protobuf
from serverless_instrument.forwarder.metrics import exponential_buckets
from serverless_instrument.forwarder.metrics.metric_points import ExponentialHistogram, Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[tuple[float, int]]

# Of either sign; what CloudWatch takes, and far from where sums of doubles end:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
LARGEST = 2.0**360
# How often one value may have been measured: sums of counts have 64 bits.
MOST_TIMES = 1_000_000_000

# The number of a ``HistogramDataPoint``'s field.
_EXPLICIT_BOUNDS = 7
_BOUNDS: dict[str, tuple[float, ...]] = {
    "s": histogram_bounds.SECONDS,
    "us": tuple([bound * 1000 for bound in histogram_bounds.DEFAULT]),
    "By": histogram_bounds.BYTES,
    "%": tuple([float(step) for step in range(5, 101, 5)]),
}


# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation
_FINEST_SCALE = 20
_INDICES_PER_LOG = ldexp(1 / log(2), _FINEST_SCALE)
# 2 to the power of it is the least normal double; what is less has the bucket below.
_LEAST_EXPONENT = -1022


def is_value(value: object) -> bool:
    """Whether `value` is a finite number that a metric may have."""
    # bool is an int; NaN compares as False.
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST  # type: ignore[operator] # a number by now


def histogram(
    pairs: Pairs, unit: str, time_unix_ns: int, *, exponential: bool = False
) -> Histogram | ExponentialHistogram:
    """The point of `pairs`, (value, how often), of which there is at least one.

    Values are such as `is_value` takes, counts from 1 to `MOST_TIMES`; `unit` chooses boundaries of
    buckets where they are not `exponential`.
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
    point = Histogram()
    point.take(_EXPLICIT_BOUNDS, protobuf.BYTES, pack(f"<{len(bounds)}d", *bounds))
    point.counts = [0] * (len(bounds) + 1)
    for value, times in pairs:
        point.counts[bisect_left(bounds, value)] += times
    point.complete()
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
    found = exponential_buckets.merged((_FINEST_SCALE, *sides), (_FINEST_SCALE, {}, {}))
    point.scale, point.positive, point.negative = found
    return point


def _index(value: float) -> int:
    """The bucket at the finest scale; its upper boundary belongs to it."""
    mantissa, exponent = frexp(value)
    if exponent <= _LEAST_EXPONENT:
        return (_LEAST_EXPONENT << _FINEST_SCALE) - 1
    if mantissa == 0.5:
        return (exponent - 1 << _FINEST_SCALE) - 1
    # Rounding must not lead into the next power of two.
    least = exponent - 1 << _FINEST_SCALE
    most = (exponent << _FINEST_SCALE) - 1
    return max(least, min(int(log(value) * _INDICES_PER_LOG // 1), most))
