"""``OTEL_*`` settings and the invocation's span, in terms of the SDK."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.status import Status, StatusCode

from serverless_instrument.wrapper.tracer import trace_state

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Span

    from serverless_instrument.wrapper import records
    from serverless_instrument.wrapper.encoder import Limits
    from serverless_instrument.wrapper.settings import Settings


def sampler(settings: Settings) -> Sampler:
    """The standard sampler of that name, or the one that a package registers under it."""
    from opentelemetry.sdk.trace import sampling

    ratio = sampling.TraceIdRatioBased(settings.sampler_ratio)
    standard: dict[str, Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": ratio,
        "parentbased_always_on": sampling.ParentBased(sampling.ALWAYS_ON),
        "parentbased_always_off": sampling.ParentBased(sampling.ALWAYS_OFF),
        "parentbased_traceidratio": sampling.ParentBased(ratio),
    }
    if settings.sampler in standard:
        return standard[settings.sampler]
    made = _registered("opentelemetry_traces_sampler", settings.sampler)
    chosen: Sampler = made(os.environ.get("OTEL_TRACES_SAMPLER_ARG"))  # type: ignore[operator] # a factory
    return chosen


def id_generator() -> IdGenerator:
    """``OTEL_PYTHON_ID_GENERATOR``, by entry point; the SDK's random one by default."""
    name = os.environ.get("OTEL_PYTHON_ID_GENERATOR", "").strip()
    if name in ("", "random"):
        return RandomIdGenerator()
    made: IdGenerator = _registered("opentelemetry_id_generator", name)()  # type: ignore[operator] # a class
    return made


def _registered(group: str, name: str) -> object:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=group, name=name):
        return entry_point.load()
    raise LookupError(f'no installed package registers "{name}" under {group}')


def span_limits(limits: Limits) -> SpanLimits:
    """Our limits as the SDK's; None is unlimited in both."""
    unset = SpanLimits.UNSET

    def or_unset(limit: int | None) -> int:
        return unset if limit is None else limit

    return SpanLimits(
        max_span_attributes=or_unset(limits.attribute_count),
        max_span_attribute_length=or_unset(limits.attribute_value_length),
        max_events=or_unset(limits.event_count),
        max_links=or_unset(limits.link_count),
        max_event_attributes=or_unset(limits.event_attribute_count),
        max_link_attributes=or_unset(limits.link_attribute_count),
    )


class _ForcedIds(RandomIdGenerator):
    """Gives the ids that it was told to; the tracer that it serves makes invocation spans only."""

    def __init__(self) -> None:
        self.trace_id = 0
        self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


def start_root(provider: TracerProvider, record: records.Span, name: str, version: str) -> Span:
    """The invocation's span, made by the SDK with the ids of `record`."""
    tracer = provider.get_tracer(name, version)
    ids = _ForcedIds()
    ids.trace_id = int.from_bytes(record.trace_id, "big")
    ids.span_id = int.from_bytes(record.span_id, "big")
    tracer.id_generator = ids  # type: ignore[attr-defined] # this scope's tracer is ours alone
    context = trace.set_span_in_context(trace.INVALID_SPAN)
    if record.parent_span_id:
        parent = trace.SpanContext(
            ids.trace_id,
            int.from_bytes(record.parent_span_id, "big"),
            is_remote=True,
            trace_flags=trace.TraceFlags(record.flags & 0xFF),
            trace_state=trace_state(record.trace_state),
        )
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    return tracer.start_span(
        record.name,
        context=context,
        kind=trace.SpanKind(record.kind - 1),
        attributes=record.attributes,  # type: ignore[arg-type] # plain values
        start_time=record.start_unix_ns,
    )


def finish_root(span: Span, record: records.Span) -> None:
    """Put what the invocation's end says on the SDK's span, and end it."""
    span.set_attributes(record.attributes)  # type: ignore[arg-type] # plain values
    for event in record.events:
        span.add_event(event.name, dict(event.attributes), event.time_unix_ns)  # type: ignore[arg-type] # as above
    if record.status_code:
        code = StatusCode(record.status_code)
        span.set_status(Status(code, record.status_message or None))
    span.end(record.end_unix_ns)
