"""Values of metrics that come with no buckets of their own, as points of a histogram; pure."""

from __future__ import annotations

from bisect import bisect_left
from struct import pack

from serverless_instrument.forwarder import protobuf
from serverless_instrument.forwarder.metric_points import Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Of either sign; what CloudWatch takes, and far from where sums of doubles end:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
LARGEST = 2.0**360
# How often one value may have been measured: sums of counts have 64 bits.
MOST_TIMES = 1_000_000_000

# The number of a ``HistogramDataPoint``'s field.
_EXPLICIT_BOUNDS = 7
# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation,
# made for milliseconds, and the conventions' for seconds; of bytes, powers of four from 1 KiB up.
_DEFAULT = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
_BOUNDS: dict[str, tuple[float, ...]] = {
    "s": (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    "us": tuple([bound * 1000 for bound in _DEFAULT]),
    "By": tuple([float(1 << shift) for shift in range(10, 35, 2)]),
    "%": tuple([float(step) for step in range(5, 101, 5)]),
}


def is_value(value: object) -> bool:
    """Whether `value` is a finite number that a metric may have."""
    # bool is an int; NaN compares as False.
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST  # type: ignore[operator] # a number by now


def histogram(pairs: Sequence[tuple[float, int]], unit: str, time_unix_ns: int) -> Histogram:
    """The point of `pairs`, (value, how often), of which there is at least one.

    Values are such as `is_value` takes, counts from 1 to `MOST_TIMES`; `unit` chooses boundaries.
    """
    bounds = _BOUNDS.get(unit, _DEFAULT)
    point = Histogram()
    point.take(_EXPLICIT_BOUNDS, protobuf.BYTES, pack(f"<{len(bounds)}d", *bounds))
    point.counts = [0] * (len(bounds) + 1)
    total = 0.0
    for value, times in pairs:
        point.counts[bisect_left(bounds, value)] += times
        total += value * times
    point.complete()
    point.start_unix_ns = point.time_unix_ns = time_unix_ns
    point.count, point.total = sum(point.counts), total
    values = [float(value) for value, _ in pairs]
    point.least, point.most = min(values), max(values)
    return point
