"""Platform events of the Telemetry API and documents of the platform's own errors. Pure.

Schema: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

Event = dict[str, Any]

INIT_TYPE = "on-demand"


def timestamp(time_unix_ns: int) -> str:
    """ISO 8601 in UTC with milliseconds, as the platform writes times."""
    moment = datetime.fromtimestamp(time_unix_ns // 1_000_000 / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def event(kind: str, record: Any, time_unix_ns: int) -> Event:
    """One event; `kind` is ``platform.*``, ``function`` or ``extension``."""
    return {"time": timestamp(time_unix_ns), "type": kind, "record": record}


def category(telemetry: Event) -> str:
    """The subscription type that `telemetry` belongs to."""
    kind: str = telemetry["type"]
    return kind.partition(".")[0]


def init_start(function_name: str, function_version: str, phase: str, runtime: str) -> Event:
    """Record of ``platform.initStart``."""
    return {
        "initializationType": INIT_TYPE,
        "phase": phase,
        "functionName": function_name,
        "functionVersion": function_version,
        "runtimeVersion": runtime,
    }


def init_runtime_done(phase: str, status: str, error_type: str | None) -> Event:
    """Record of ``platform.initRuntimeDone``."""
    record = {"initializationType": INIT_TYPE, "phase": phase, "status": status}
    return record | _error_type(error_type)


def init_report(phase: str, status: str, duration_ms: float, error_type: str | None) -> Event:
    """Record of ``platform.initReport``."""
    return {
        "initializationType": INIT_TYPE,
        "phase": phase,
        "status": status,
        "metrics": {"durationMs": round(duration_ms, 3)},
    } | _error_type(error_type)


def extension(name: str, state: str, events: tuple[str, ...], error_type: str | None) -> Event:
    """Record of ``platform.extension``."""
    record: Event = {"name": name, "state": state, "events": list(events)}
    return record | _error_type(error_type)


def start(request_id: str, version: str, trace_id: str) -> Event:
    """Record of ``platform.start``."""
    return {"requestId": request_id, "version": version, "tracing": tracing(trace_id)}


def runtime_done(
    request_id: str,
    status: str,
    duration_ms: float,
    produced_bytes: int | None,
    error_type: str | None,
    spans: list[Event],
    trace_id: str,
) -> Event:
    """Record of ``platform.runtimeDone``; `produced_bytes` is None where nothing was answered."""
    metrics: Event = {"durationMs": round(duration_ms, 3)}
    if produced_bytes is not None:
        metrics["producedBytes"] = produced_bytes
    record: Event = {"requestId": request_id, "status": status, "metrics": metrics}
    record |= {"spans": spans, "tracing": tracing(trace_id)}
    return record | _error_type(error_type)


def report(
    request_id: str,
    status: str,
    metrics: Event,
    error_type: str | None,
    spans: list[Event],
    trace_id: str,
) -> Event:
    """Record of ``platform.report``; `metrics` as `report_metrics` makes them."""
    record: Event = {"requestId": request_id, "status": status, "metrics": metrics}
    record |= {"spans": spans, "tracing": tracing(trace_id)}
    return record | _error_type(error_type)


def report_metrics(
    duration_ms: float, init_ms: float | None, memory_mb: int, max_memory_used_mb: int
) -> Event:
    """``metrics`` of ``platform.report``. Since August 2025 the init phase is billed too.

    https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    """
    metrics: Event = {
        "durationMs": round(duration_ms, 3),
        "billedDurationMs": math.ceil(round(duration_ms + (init_ms or 0), 3)),
        "memorySizeMB": memory_mb,
        "maxMemoryUsedMB": max_memory_used_mb,
    }
    if init_ms is not None:
        metrics["initDurationMs"] = round(init_ms, 3)
    return metrics


def span(name: str, start_unix_ns: int, duration_ms: float) -> Event:
    """One of the ``spans`` of runtimeDone and report."""
    return {
        "name": name,
        "start": timestamp(start_unix_ns),
        "durationMs": round(max(duration_ms, 0), 3),
    }


def tracing(trace_id: str) -> Event:
    """``tracing`` of the platform events and of an extension's INVOKE."""
    return {"type": "X-Amzn-Trace-Id", "value": trace_id}


def error_document(error_type: str, message: str, request_id: str | None) -> bytes:
    """The answer to the caller where the platform and not the function gives it."""
    text = f"RequestId: {request_id} Error: {message}" if request_id else message
    document = {"errorType": error_type, "errorMessage": text}
    return json.dumps(document, separators=(",", ":")).encode()


def exit_message(exit_code: int) -> str:
    """The platform's message for a runtime process that exited."""
    if exit_code == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: {describe_exit(exit_code)}"


def describe_exit(exit_code: int) -> str:
    """``exit status 3`` or ``signal: killed``; a negative code is a signal's number."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    return f"signal: {_SIGNAL_WORDS.get(-exit_code, str(-exit_code))}"


# The platform is written in Go; these are Go's names of the signals.
_SIGNAL_WORDS = {
    1: "hangup",
    2: "interrupt",
    4: "illegal instruction",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    15: "terminated",
}


def _error_type(error_type: str | None) -> Event:
    return {"errorType": error_type} if error_type else {}
