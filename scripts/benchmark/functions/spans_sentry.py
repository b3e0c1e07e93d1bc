import sentry_sdk


def handler(event, context):
    for number in range(100):
        with sentry_sdk.start_span(op="work", name="work") as span:
            span.set_data("number", number)
    return "hello"
