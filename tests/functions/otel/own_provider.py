"""A function that sets OpenTelemetry up by itself, as it did before."""

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider(resource=Resource.create({"service.name": "own", "team": "tea"}))
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("own")


def handler(event, context):
    with tracer.start_as_current_span("child"):
        pass
    return [trace.get_tracer_provider() is provider, [s.name for s in exporter.get_finished_spans()]]
