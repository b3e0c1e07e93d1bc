"""A function that uses OpenTelemetry's API, in the ways that functions do."""

import asyncio
import contextvars
import sys
import threading

from opentelemetry import trace

tracer = trace.get_tracer("shop", "1.2")


def handler(event, context):
    trace.get_current_span().set_attribute("user.id", 42)
    with tracer.start_as_current_span("price") as span:
        span.set_attribute("items", 3)
        with tracer.start_as_current_span("tax"):
            pass
    return "opentelemetry.sdk" in sys.modules


def many(event, context):
    for number in range(event["spans"]):
        with tracer.start_as_current_span("step", attributes={"number": number}):
            pass
    return event["spans"]


def in_thread(event, context):
    def work():
        with tracer.start_as_current_span("in thread"):
            pass

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
    thread.start()
    thread.join()


def in_tasks(event, context):
    async def one(number):
        with tracer.start_as_current_span(f"task {number}"):
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(one(number) for number in range(3)))

    asyncio.run(main())


def with_sdk(event, context):
    """The SDK is imported in the middle of the first invocation, with a processor of its own."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    global memory
    if "memory" not in globals():
        memory = InMemorySpanExporter()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
    with tracer.start_as_current_span("seen twice"):
        pass
    return [span.name for span in memory.get_finished_spans()]


def fails_in_span(event, context):
    with tracer.start_as_current_span("price"):
        raise ValueError("no price")
