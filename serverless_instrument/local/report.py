"""The JSON document that ``run --json`` prints. Pure.

The document's fields:

- ``function``: handler, name, arn, directory, memorySizeMB, timeoutMs
- ``invocations``: one per invocation: requestId, traceHeader, status, payload (what the runtime
  answered, byte for byte), response (the payload decoded; null on an error), error (likewise, null
  on success), errorType, durationMs, billedDurationMs, initDurationMs, maxMemoryUsedMB
- ``logs``: source and text of each line the processes wrote
- ``endpoint``: where telemetry went; null: to the embedded receiver, and so into
- ``spans``, ``logRecords``, ``metrics``: what arrived, as `otlp_data` has it
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from serverless_instrument.local.function.config import LocalConfig, function_arn, function_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.local.environment.invocation import InvocationResult
    from serverless_instrument.local.view.otlp_data import Data


def function(config: LocalConfig) -> Data:
    """The function's settings."""
    return {
        "handler": config.handler,
        "name": function_name(config),
        "arn": function_arn(config, config.base_env or {}),
        "directory": str(config.directory.resolve()),
        "memorySizeMB": config.memory_mb,
        "timeoutMs": round(config.timeout_s * 1000),
    }


def invocation(result: InvocationResult) -> Data:
    """One invocation, after it has settled."""
    decoded = decode_payload(result.response)
    return {
        "requestId": result.request_id,
        "traceHeader": result.trace_id,
        "status": result.status,
        "payload": result.response.decode("utf-8", "replace"),
        "response": None if result.error else decoded,
        "error": decoded if result.error else None,
        "errorType": result.error_type,
        "durationMs": round(result.duration_ms, 3),
        "billedDurationMs": result.billed_duration_ms,
        "initDurationMs": round_or_none(result.init_duration_ms),
        "maxMemoryUsedMB": result.max_memory_used_mb,
    }


def logs(lines: Sequence[tuple[str, str]]) -> list[Data]:
    """The lines that the processes wrote, in order."""
    return [{"source": source, "text": text} for source, text in lines]


def decode_payload(payload: bytes) -> Any:
    """The payload's JSON value, or its text where it is not JSON."""
    try:
        return json.loads(payload, parse_constant=_no_constant)
    except ValueError:
        return payload.decode("utf-8", "replace")


def round_or_none(duration_ms: float | None) -> float | None:
    """Milliseconds rounded to microseconds, None unchanged."""
    return None if duration_ms is None else round(duration_ms, 3)


def _no_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(name)
