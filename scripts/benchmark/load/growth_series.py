"""Judges a series of (how many, cost): does it grow in proportion, without a step; pure."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Points = list[tuple[float, float]]


def marginal(points: Sequence[tuple[float, float]]) -> list[float]:
    """Cost of one more, between neighbouring points.

    Raises:
        ValueError: fewer than two points, or they do not rise.
    """
    if len(points) < 2 or any(b[0] <= a[0] for a, b in itertools.pairwise(points)):
        raise ValueError("a series needs two points at least, with more and more of the thing")
    return [
        (next_cost - cost) / (next_count - count)
        for (count, cost), (next_count, next_cost) in itertools.pairwise(points)
    ]


def steepening(points: Sequence[tuple[float, float]]) -> float:
    """How much dearer one more is at its dearest than it usually is.

    1.0 is a straight line; a cost that grows with the square, or takes a step, gives ten and more
    over some powers of ten. What it usually is, is the median: between small counts, whose
    costs lie near each other, the weather can make one more cost nothing.
    """
    costs = marginal(points)
    usual = statistics.median_low(costs)
    return max(costs) / usual if usual > 0 else float("inf")


def drift(values: Sequence[float]) -> float:
    """Median of the last quarter over that of the second: what a leak or a step leaves behind.

    The first quarter is left out: it holds what is loaded on first use.

    Raises:
        ValueError: fewer than eight values.
    """
    if len(values) < 8:
        raise ValueError("a drift needs eight values at least")
    quarter = len(values) // 4
    early = statistics.median(values[quarter : 2 * quarter])
    late = statistics.median(values[-quarter:])
    return late / early if early else float("inf")
