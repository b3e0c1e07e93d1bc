"""Trace context that a caller of Lambda's ``Invoke`` put into ``X-Amz-Client-Context``.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#lambda-Invoke-request-ClientContext
"""

from __future__ import annotations

# What propagators read, in the spelling of the headers; also AWS's name for the X-Ray one.
_NAMES = {
    name: name
    for name in (
        "b3",
        "baggage",
        "traceparent",
        "tracestate",
        "x-amzn-trace-id",
        "x-b3-flags",
        "x-b3-sampled",
        "x-b3-spanid",
        "x-b3-traceid",
    )
} | {"awstraceheader": "x-amzn-trace-id", "_x_amzn_trace_id": "x-amzn-trace-id"}

# Which of them name a span: without one the event's own context stands, whole.
_SPANS = frozenset(("b3", "traceparent", "x-amzn-trace-id", "x-b3-spanid"))


def carrier(context: object) -> dict[str, str]:
    """Lower-case header names to values; empty where they name no span.

    From ``client_context.env``, over it ``client_context.custom``, over that ``w3c()``, with which
    newer runtime clients keep the two apart from what the caller chose to send.
    """
    client = getattr(context, "client_context", None)
    found: dict[str, str] = {}
    for values in (getattr(client, "env", None), getattr(client, "custom", None), _w3c(context)):
        if isinstance(values, dict):
            for key, value in values.items():
                name = _NAMES.get(key.lower()) if isinstance(key, str) else None
                if name and isinstance(value, str):
                    found[name] = value
    return found if _SPANS.intersection(found) else {}


def _w3c(context: object) -> object:
    read = getattr(context, "w3c", None)
    return read() if callable(read) else None
