"""Objects of the SDK made from ``OTEL_*`` settings and from the invocation's span."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.status import Status, StatusCode

from serverless_instrument.environment import shown, value_of
from serverless_instrument.wrapper.otel.span_parts import api_link, trace_state
from serverless_instrument.wrapper.otel.tracer import own_tracer
from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.primitives import random_bytes
from serverless_instrument.wrapper.settings import DEFAULT_SAMPLER

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Span

    from serverless_instrument.wrapper.records import records
    from serverless_instrument.wrapper.records.records import Limits
    from serverless_instrument.wrapper.settings import Settings


def sampler(settings: Settings, warn: Callable[[str], None]) -> Sampler:
    """The standard sampler of that name, or the one that a package registers under it.

    One that cannot be loaded is a warning, and the default sampler is used.
    """
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
    try:
        made = _registered("opentelemetry_traces_sampler", settings.sampler)
        chosen: Sampler = made(settings.sampler_argument)  # type: ignore[operator] # a factory
    except Exception as error:  # a package's code
        if not is_ours(error):
            raise
        warn(
            f'OTEL_TRACES_SAMPLER="{shown(settings.sampler)}" cannot be used: {_reason(error)}; '
            f"using {DEFAULT_SAMPLER}"
        )
        return standard[DEFAULT_SAMPLER]
    return chosen


def id_generator(warn: Callable[[str], None]) -> IdGenerator:
    """``OTEL_PYTHON_ID_GENERATOR``, by entry point; the SDK's random one by default."""
    name = value_of(os.environ, "OTEL_PYTHON_ID_GENERATOR")
    if name in ("", "random"):
        return KernelIds()
    try:
        made: IdGenerator = _registered("opentelemetry_id_generator", name)()  # type: ignore[operator] # a class
    except Exception as error:  # a package's code
        if not is_ours(error):
            raise
        warn(
            f'OTEL_PYTHON_ID_GENERATOR="{shown(name)}" cannot be used: {_reason(error)}; '
            'using "random"'
        )
        return KernelIds()
    return made


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, LookupError) else f"{type_name(error)}: {error}"


def _registered(group: str, name: str) -> object:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=group, name=name):
        return entry_point.load()
    raise LookupError(f"no installed package provides it ({group})")


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


class Provider(TracerProvider):
    """The SDK's provider until the function sets one of its own.

    Its tracers come from `get_tracer`, so that they delegate to the function's provider later.
    """

    def __init__(self, get_tracer: Callable[..., trace.Tracer], **options: Any) -> None:
        super().__init__(**options)
        self._get_tracer = get_tracer

    def get_tracer(self, *arguments: Any, **options: Any) -> trace.Tracer:
        return self._get_tracer(*arguments, **options)

    def own_tracer(self, *arguments: Any) -> trace.Tracer:
        """The SDK's own tracer."""
        return super().get_tracer(*arguments)


class KernelIds(RandomIdGenerator):
    """Ids of the kernel's randomness: ``random``, which the SDK's own uses, is the function's."""

    def generate_span_id(self) -> int:
        return int.from_bytes(random_bytes(8), "big") or self.generate_span_id()

    def generate_trace_id(self) -> int:
        return int.from_bytes(random_bytes(16), "big") or self.generate_trace_id()


class _ForcedIds(RandomIdGenerator):
    """Generates the ids of one record."""

    def __init__(self, record: records.Span) -> None:
        self._trace_id = int.from_bytes(record.trace_id, "big")
        self._span_id = int.from_bytes(record.span_id, "big")

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        return self._span_id


def start_root(
    provider: TracerProvider, record: records.Span, parent_flags: int, name: str, version: str
) -> Span:
    """The invocation's span, made by the SDK with the ids of `record`."""
    context = trace.set_span_in_context(trace.INVALID_SPAN)
    if record.parent_span_id:
        parent = trace.SpanContext(
            int.from_bytes(record.trace_id, "big"),
            int.from_bytes(record.parent_span_id, "big"),
            is_remote=True,
            trace_flags=trace.TraceFlags(parent_flags & 0xFF),
            trace_state=trace_state(record.trace_state),
        )
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    tracer: Any = own_tracer(provider, name, version)
    own_generator = tracer.id_generator
    tracer.id_generator = _ForcedIds(record)
    try:
        span: Span = tracer.start_span(
            record.name,
            context=context,
            kind=trace.SpanKind(record.kind - 1),
            attributes=record.attributes,
            links=[api_link(each) for each in record.links],
            start_time=record.start_unix_ns,
        )
    finally:
        # The SDK returns the same tracer to every caller that asks for this scope.
        tracer.id_generator = own_generator
    return span


def finish_root(span: Span, record: records.Span) -> None:
    """Copy what the invocation's end has added to `record` to the SDK's span, and end it."""
    span.set_attributes(record.attributes)  # type: ignore[arg-type] # plain values
    for event in record.events:
        span.add_event(event.name, dict(event.attributes), event.time_unix_ns)  # type: ignore[arg-type] # as above
    if record.status_code:
        code = StatusCode(record.status_code)
        span.set_status(Status(code, record.status_message or None))
    span.end(record.end_unix_ns)
