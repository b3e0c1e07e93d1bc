"""Attributes of the document whose change is the event. Pure.

https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

_LATEST_S = 253_402_300_800  # the year 10000


def document(collection: str, operation: str, name: str = "", time: str = "") -> dict[str, object]:
    """``faas.document.*`` attributes; arguments that are "" are unknown and left out."""
    found = {
        "faas.document.collection": collection,
        "faas.document.operation": operation,
        "faas.document.name": name,
        "faas.document.time": time,
    }
    return {key: value for key, value in found.items() if value}


def utc(time_s: object) -> str:
    """Seconds since the epoch as ISO 8601, to the second; "" for anything else."""
    if not isinstance(time_s, (int, float)) or not 0 < time_s < _LATEST_S:
        return ""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
