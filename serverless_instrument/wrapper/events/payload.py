"""Trace context that a caller put into a payload of its own design."""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import dictionary

# Names of headers as propagators write them into a dictionary, and those of AWS for X-Ray's.
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
    """Lower-case header names to values, from the top of `payload` if it is a JSON object.

    There is no convention for payloads: an object that a propagator has injected into is what is
    meant, so a few exact names are looked for and nothing below them.
    """
    values = dictionary(payload)
    found: dict[str, str] = {}
    for key, name in NAMES:
        value = values.get(key)
        if isinstance(value, str):
            found[name] = value
    return found
