"""Ends in ways that leave no time for goodbyes."""

import logging
import os
import signal
import time


def is_killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps_once(event, context):
    if event.get("sleep"):
        time.sleep(60)
    return "awake"


def leaves_traces():
    """A span that ends, a log record and a line: what comes after may be the end of everything."""
    from opentelemetry import trace

    tracer = trace.get_tracer("shop")
    with tracer.start_as_current_span("ended"):
        logging.warning("logged before the end")
    print("last words")
    return tracer


def is_killed_in_a_span(event, context):
    with leaves_traces().start_as_current_span("open"):
        os.kill(os.getpid(), signal.SIGKILL)


def hangs_in_spans(event, context):
    tracer = leaves_traces()
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        waits_for_ever()


def waits_for_ever():
    time.sleep(60)  # where it hangs


def hangs_in_the_sdk(event, context):
    import opentelemetry.sdk.trace

    assert opentelemetry.sdk.trace
    hangs_in_spans(event, context)


def holds_the_interpreter(event, context):
    import ctypes

    leaves_traces()
    ctypes.PyDLL(None).sleep(60)  # PyDLL keeps the interpreter's lock


def ends_just_in_time(event, context):
    from opentelemetry import trace

    left_ms = context.get_remaining_time_in_millis()
    with trace.get_tracer("shop").start_as_current_span("late"):
        time.sleep(left_ms / 1000 - 0.05)
    return "in time"


def exits_in_a_span(event, context):
    with leaves_traces().start_as_current_span("open"):
        os._exit(3)


def outgrows_its_memory(event, context):
    """In the middle of spans and lines; with "spare", on its own terms."""
    if event.get("spare"):
        return "spared"
    with leaves_traces().start_as_current_span("open"):
        takes(1024)
    return "it was enough"


def takes(megabytes):
    taken = []
    for _ in range(megabytes):
        taken.append(b"x" * (1 << 20))
        time.sleep(0.001)  # no faster than anybody can look
    return taken


def outgrows_its_address_space(event, context):
    import resource

    # Python's own answer to a refused allocation, which no platform hears of.
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), limits[1]))
    try:
        return len(takes(1024))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
