from ddtrace import tracer


def handler(event, context):
    for number in range(100):
        with tracer.trace("work") as span:
            span.set_tag("number", number)
    return "hello"
