"""OpenTelemetry is first imported inside the handler."""

import sys


def handler(event, context):
    before = "opentelemetry" in sys.modules
    from opentelemetry import trace

    trace.get_current_span().set_attribute("late", True)
    with trace.get_tracer("late").start_as_current_span("child"):
        pass
    return before
