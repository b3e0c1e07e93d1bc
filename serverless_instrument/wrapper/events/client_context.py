"""Trace context in ``X-Amz-Client-Context``, which a caller of Lambda's ``Invoke`` sets. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#lambda-Invoke-request-ClientContext
"""

from __future__ import annotations

# Lower-case keys to header names: the headers that propagators read, and AWS's names for X-Ray's.
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

# The headers that name a span. Without one of them the event's own trace context is used.
_SPANS = frozenset(("b3", "traceparent", "x-amzn-trace-id", "x-b3-spanid"))


def carrier(context: object) -> dict[str, str]:
    """Lower-case header names to values; empty where they name no span.

    ``client_context.custom`` overrides ``client_context.env``. The result of the context's
    ``w3c()``, in which newer runtime clients separate trace context from the caller's own data,
    overrides both.
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
