"""An invocation's span as it starts: remote parent, sampling, attributes; pure."""

from __future__ import annotations

from serverless_instrument.wrapper.invocation.lambda_context import arn_attributes
from serverless_instrument.wrapper.records import records
from serverless_instrument.wrapper.records.propagation import SpanContext, extract
from serverless_instrument.wrapper.settings import DEFAULT_SAMPLER, STANDARD_SAMPLERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.wrapper.events.base import Facts
    from serverless_instrument.wrapper.records.records import Attributes
    from serverless_instrument.wrapper.settings import Settings

    ExtractForeign = Callable[[Mapping[str, str]], SpanContext | None]


def find_parent(
    carrier: Mapping[str, str],
    settings: Settings,
    xray_header: str | None,
    extract_foreign: ExtractForeign | None,
    extracted: Mapping[str, str] | SpanContext | None,
) -> SpanContext | None:
    """The remote parent; None where there is none.

    Args:
        carrier: the event's headers, lower-case.
        settings: has the propagators, and whether X-Ray's sampling decision is ignored.
        xray_header: the value of ``_X_AMZN_TRACE_ID``.
        extract_foreign: finds the parent where a propagator is not one of ours.
        extracted: what the user's own extractor has found, which takes precedence.
    """
    parent = extract(
        carrier,
        settings.propagators,
        xray_header,
        ignore_xray_decision=settings.ignore_xray_decision,
    )
    if settings.needs_sdk and extract_foreign is not None:
        foreign = extract_foreign(carrier)
        # Where both find the same span, ours counts: it applies `ignore_xray_decision`.
        if foreign is not None and (parent is None or foreign.span_id != parent.span_id):
            parent = foreign
    if extracted is not None:
        parent = _from_extractor(extracted, settings) or parent
    return parent


def _from_extractor(
    extracted: Mapping[str, str] | SpanContext, settings: Settings
) -> SpanContext | None:
    if isinstance(extracted, SpanContext):
        return extracted
    decision = settings.ignore_xray_decision
    return extract(extracted, settings.propagators, None, ignore_xray_decision=decision)


def is_sampled(settings: Settings, trace_id: bytes, parent: SpanContext | None) -> bool:
    """Whether a span with this 16-byte trace id and remote parent is sampled."""
    # A sampler of an installed package decides once the SDK is loaded, and not here.
    if settings.sampler == DEFAULT_SAMPLER or settings.sampler not in STANDARD_SAMPLERS:
        return parent is None or parent.sampled
    from serverless_instrument.wrapper.records import sampling

    return sampling.sampled(settings.sampler, settings.sampler_ratio, trace_id, parent)


def start_attributes(
    event: object,
    context: object,
    facts: Facts,
    settings: Settings,
    request_id: str,
    *,
    coldstart: bool,
) -> Attributes:
    """The attributes of the span at its start; `facts` are what the trigger tells of `event`."""
    attributes: Attributes = {"faas.trigger": facts.trigger, "faas.coldstart": coldstart}
    if request_id:
        attributes["faas.invocation_id"] = request_id
    attributes.update(arn_attributes(context))
    attributes.update(facts.attributes)
    if settings.request_headers is not None and facts.trigger == "http":
        from serverless_instrument.wrapper.events import captured_headers

        captured, sanitized = settings.request_headers, settings.sanitized_headers
        attributes.update(captured_headers.request(event, facts.carrier, captured, sanitized))
    return attributes


def start_span(
    name: str,
    trace_id: bytes,
    span_id: bytes,
    start_unix_ns: int,
    attributes: Attributes,
    parent: SpanContext | None,
    *,
    sampled: bool,
) -> records.Span:
    """The invocation's span, a child of `parent` if there is one."""
    return records.Span(
        name,
        records.KIND_SERVER,
        trace_id,
        span_id,
        start_unix_ns,
        attributes,
        parent.span_id if parent else b"",
        parent.trace_state if parent else "",
        (parent.flags & ~1 if parent else records.FLAG_RANDOM)
        | sampled
        | records.FLAG_HAS_IS_REMOTE
        | (records.FLAG_IS_REMOTE if parent else 0),
    )
