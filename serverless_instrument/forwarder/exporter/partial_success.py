"""The ``partial_success`` of an export response; loaded with the first that has a body. Pure.

https://opentelemetry.io/docs/specs/otlp/#partial-success-1
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import protobuf

_REJECTED_NAMES = ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")


def read_partial_success(content_type: str, body: bytes) -> tuple[int, str]:
    """(rejected items, message); a message without rejected items is a warning.

    `body` is an ``Export{Trace,Logs,Metrics}ServiceResponse``, which share their field numbers, as
    protobuf or, if `content_type` says so, as JSON.

    Raises:
        ValueError: it is neither.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        rejected, message = _from_json(body)
    else:
        rejected, message = _from_protobuf(body)
    rejected = max(rejected, 0)
    if rejected and not message:
        message = "no reason given"
    return rejected, message


def _from_json(body: bytes) -> tuple[int, str]:
    from serverless_instrument.forwarder.codec.json_text import loads

    document = loads(body.decode())
    part = document.get("partialSuccess") if isinstance(document, dict) else None
    if not isinstance(part, dict):
        return 0, ""
    rejected = next((part[name] for name in _REJECTED_NAMES if name in part), 0)
    # 64-bit integers are strings in protobuf's JSON.
    return int(str(rejected)[:20]), str(part.get("errorMessage", ""))


def _from_protobuf(body: bytes) -> tuple[int, str]:
    rejected, message = 0, ""
    for number, wire_type, part in protobuf.fields(body):
        if (number, wire_type) != (1, protobuf.BYTES):
            continue
        assert isinstance(part, bytes)
        for inner, _, value in protobuf.fields(part):
            if inner == 1 and isinstance(value, int):
                rejected = value if value < 1 << 63 else 0
            elif inner == 2 and isinstance(value, bytes):
                message = value.decode("utf-8", "replace")
    return rejected, message
