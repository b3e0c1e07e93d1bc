"""The function's resource, for telemetry of a runtime that has not said its own; pure.

https://opentelemetry.io/docs/specs/semconv/resource/faas/
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import attribute
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def encoded(environ: Mapping[str, str]) -> bytes:
    """A ``Resource`` with what the environment tells, under ``OTEL_RESOURCE_ATTRIBUTES``."""
    get = environ.get
    name = get("AWS_LAMBDA_FUNCTION_NAME")
    memory_mb = get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    values: dict[str, object] = {
        "service.name": name or "unknown_service:python",
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": get("AWS_REGION") or get("AWS_DEFAULT_REGION"),
        "faas.name": name,
        "faas.version": get("AWS_LAMBDA_FUNCTION_VERSION"),
        "faas.instance": get("AWS_LAMBDA_LOG_STREAM_NAME"),
        "faas.max_memory": int(memory_mb) * 1_048_576 if memory_mb.isdecimal() else None,
    }
    for member in get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, equals, value = member.partition("=")
        if equals and key.strip():
            values[_decoded(key.strip())] = _decoded(value.strip())
    values["service.name"] = get("OTEL_SERVICE_NAME", "").strip() or values["service.name"]
    return b"".join([field(b"\x0a", attribute(n, value)) for n, value in values.items() if value])


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # 10 ms, for the few who need it

    return unquote(text)
