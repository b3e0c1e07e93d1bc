"""What functions do with the packages they bring along; every import happens when it is asked for."""

from urllib.request import urlopen


def handler(event, context):
    """Do what the event says."""
    return globals()[event["do"]](event)


def use_nothing(event):
    return "done"


def use_api(event):
    from opentelemetry import trace

    with trace.get_tracer("shop").start_as_current_span("price") as span:
        span.set_attribute("items", 3)
    return "done"


def use_sdk(event):
    import opentelemetry.sdk.trace  # noqa: F401

    return use_api(event)


def set_provider(event):
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "own"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    use_api(event)
    assert "price" in [span.name for span in exporter.get_finished_spans()]
    return "done"


def try_sdk(event):
    """As libraries do for which OpenTelemetry is optional."""
    try:
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError:
        return "done without"
    return use_api(event)


def use_own_module(event):
    import opentelemetry

    return opentelemetry.VALUE


def call(event):
    with urlopen(event["url"]) as answer:
        assert answer.status == 200
    return "done"


def call_with_requests(event):
    import requests

    assert requests.get(event["url"]).status_code == 200
    return "done"


def call_aws(event):
    import boto3

    answer = boto3.client("sqs").list_queues()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    return "done"


def versions(event):
    from importlib import import_module

    return {name: import_module(name).__version__ for name in event["modules"]}
