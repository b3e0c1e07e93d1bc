"""Resource attributes of a Lambda function, the same in both processes. Pure.

https://opentelemetry.io/docs/specs/semconv/resource/faas/,
https://opentelemetry.io/docs/specs/semconv/resource/cloud-provider/aws/logs/ and
https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
"""

from __future__ import annotations

from serverless_instrument.wire import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


def attributes(environ: Mapping[str, str], warnings: list[str]) -> dict[str, object]:
    """Detected attributes under ``OTEL_RESOURCE_ATTRIBUTES`` under ``OTEL_SERVICE_NAME``.

    A member of ``OTEL_RESOURCE_ATTRIBUTES`` that is not ``key=value`` is left out and named in
    `warnings`; the others are kept. A value is a str, an int or a list of str.
    """
    get = environ.get
    name = get("AWS_LAMBDA_FUNCTION_NAME")
    log_group, log_stream = get("AWS_LAMBDA_LOG_GROUP_NAME"), get("AWS_LAMBDA_LOG_STREAM_NAME")
    memory_mb = get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    detected: dict[str, object] = {
        "service.name": name or "unknown_service:python",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "serverless_instrument",
        "telemetry.sdk.version": __version__,
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": get("AWS_REGION") or get("AWS_DEFAULT_REGION"),
        "faas.name": name,
        "faas.version": get("AWS_LAMBDA_FUNCTION_VERSION"),
        "faas.instance": log_stream,
        "faas.max_memory": int(memory_mb) * 1_048_576 if memory_mb.isdecimal() else None,
        "aws.log.group.names": [log_group] if log_group else None,
        "aws.log.stream.names": [log_stream] if log_stream else None,
    }
    values = {key: value for key, value in detected.items() if value}
    values.update(_from_environment(get("OTEL_RESOURCE_ATTRIBUTES", ""), warnings))
    service_name = get("OTEL_SERVICE_NAME", "").strip()
    if service_name:
        values["service.name"] = service_name
    return values


def _from_environment(text: str, warnings: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for member in text.split(","):
        key, equals, value = member.partition("=")
        key = key.strip()
        if equals and key:
            values[percent_decode(key)] = percent_decode(value.strip())
        elif member.strip():
            warnings.append(
                f'OTEL_RESOURCE_ATTRIBUTES: "{member.strip()}" is not key=value; it is left out'
            )
    return values


def percent_decode(text: str) -> str:
    """`text` with its %XX escapes decoded as UTF-8; a stray percent sign stays as it is.

    ``OTEL_RESOURCE_ATTRIBUTES`` is encoded like W3C Baggage. `urllib.parse` would cost 10 ms.
    """
    if "%" not in text:
        return text
    first, *rest = text.encode("utf-8", "replace").split(b"%")
    out = bytearray(first)
    for part in rest:
        if len(part) >= 2 and part[0] in _HEX_DIGITS and part[1] in _HEX_DIGITS:
            out.append(int(part[:2], 16))
            out += part[2:]
        else:
            out += b"%" + part
    return out.decode("utf-8", "replace")
