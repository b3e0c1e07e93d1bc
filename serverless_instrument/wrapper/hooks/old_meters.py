"""Meters for instrumentations that need more than the metrics API before 1.30 offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADVISORY = "explicit_bucket_boundaries_advisory"


def meter_options() -> Mapping[str, object]:
    """Options for ``instrument(…)``; none where the API's histograms accept the advisory."""
    if _ADVISORY in metrics.Meter.create_histogram.__code__.co_varnames:
        return {}
    return {"meter_provider": _Provider()}


class _Provider:
    def get_meter(self, *arguments: Any, **more: Any) -> _Meter:
        return _Meter(metrics.get_meter_provider().get_meter(*arguments, **more))


class _Meter:
    def __init__(self, meter: metrics.Meter) -> None:
        self._meter = meter

    def __getattr__(self, name: str) -> object:
        return getattr(self._meter, name)

    def create_histogram(self, *arguments: Any, **more: Any) -> metrics.Histogram:
        more.pop(_ADVISORY, None)
        return self._meter.create_histogram(*arguments, **more)
