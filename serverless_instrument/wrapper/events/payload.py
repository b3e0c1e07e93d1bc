"""Trace context in a payload that has no place for headers of its own. Pure."""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import dictionary

# (key, header name): keys that propagators write into a dictionary, and AWS's key for X-Ray's.
NAMES = (
    ("traceparent", "traceparent"),
    ("tracestate", "tracestate"),
    ("baggage", "baggage"),
    ("b3", "b3"),
    ("x-b3-traceid", "x-b3-traceid"),
    ("x-b3-spanid", "x-b3-spanid"),
    ("x-b3-sampled", "x-b3-sampled"),
    ("X-B3-TraceId", "x-b3-traceid"),
    ("X-B3-SpanId", "x-b3-spanid"),
    ("X-B3-Sampled", "x-b3-sampled"),
    ("x-amzn-trace-id", "x-amzn-trace-id"),
    ("X-Amzn-Trace-Id", "x-amzn-trace-id"),
    ("AWSTraceHeader", "x-amzn-trace-id"),
)


def carrier(payload: object) -> dict[str, str]:
    """Lower-case header names to values, from the top level of `payload` if it is a JSON object.

    No convention exists for payloads. A propagator that injects into a dictionary writes these
    exact keys at its top level, so nothing else is looked for.
    """
    values = dictionary(payload)
    found: dict[str, str] = {}
    for key, name in NAMES:
        value = values.get(key)
        if isinstance(value, str):
            found[name] = value
    return found
