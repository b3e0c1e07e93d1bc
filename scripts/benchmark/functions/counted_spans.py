from opentelemetry import trace

tracer = trace.get_tracer("budget")


def handler(event, context):
    for number in range(event["count"]):
        with tracer.start_as_current_span("work", attributes={"number": number}) as span:
            span.set_attribute("text", "some text")
            span.set_attribute("ratio", 0.5)
