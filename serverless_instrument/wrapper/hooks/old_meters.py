"""Meters of an API before 1.30, for instrumentations of ours that ask them for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADVISORY = "explicit_bucket_boundaries_advisory"


def options() -> Mapping[str, object]:
    """What to pass to ``instrument(…)``: nothing where the API's meters know all there is."""
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
