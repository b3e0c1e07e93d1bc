from opentelemetry import trace

tracer = trace.get_tracer("bench")


def handler(event, context):
    for number in range(100):
        with tracer.start_as_current_span("work", attributes={"number": number}):
            pass
    return "hello"
