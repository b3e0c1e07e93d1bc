"""Platform events as the lines that CloudWatch shows for them. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
"""

from __future__ import annotations

from serverless_instrument.forwarder.telemetry_api.platform_events import (
    INIT_START,
    REPORT,
    RUNTIME_DONE,
    START,
    text_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

# Metric, what the line calls it, unit.
_FIGURES = (
    ("durationMs", "Duration", "ms"),
    ("billedDurationMs", "Billed Duration", "ms"),
    ("memorySizeMB", "Memory Size", "MB"),
    ("maxMemoryUsedMB", "Max Memory Used", "MB"),
    ("initDurationMs", "Init Duration", "ms"),
    ("restoreDurationMs", "Restore Duration", "ms"),
)


def text_of_event(event: Event) -> str:
    """The line, "" for an event that has none."""
    record, request_id = event.record, event.request_id
    if event.kind == INIT_START:
        version = text_of(record, "runtimeVersion") or "unknown"
        arn = text_of(record, "runtimeVersionArn") or "unknown"
        return f"INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}"
    if event.kind == START:
        return f"START RequestId: {request_id} Version: {text_of(record, 'version') or '$LATEST'}"
    if event.kind == RUNTIME_DONE:
        return f"END RequestId: {request_id}"
    if event.kind == REPORT:
        return "\t".join([f"REPORT RequestId: {request_id}", *_figures(record)])
    return ""


def _figures(record: object) -> list[str]:
    metrics = record.get("metrics") if isinstance(record, dict) else None
    figures = []
    for name, title, unit in _FIGURES:
        value = metrics.get(name) if isinstance(metrics, dict) else None
        if isinstance(value, (int, float)):
            figures.append(f"{title}: {value} {unit}")
    status, error_type = text_of(record, "status"), text_of(record, "errorType")
    if status not in ("", "success"):
        figures.append(f"Status: {status}")
    return [*figures, f"Error Type: {error_type}"] if error_type else figures
