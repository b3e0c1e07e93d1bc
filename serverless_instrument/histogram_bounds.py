"""Boundaries of explicit buckets, for histograms whose instrument advises none. Pure.

Upper and inclusive, in ascending order.
"""

from __future__ import annotations

# The SDK's default, which is made for milliseconds:
# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation
DEFAULT = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
# Advised for durations: https://opentelemetry.io/docs/specs/semconv/faas/faas-metrics/
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# The conventions advise none for bytes: powers of four, from 1 KiB to 16 GiB.
BYTES = tuple([float(1 << shift) for shift in range(10, 35, 2)])
