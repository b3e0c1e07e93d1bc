"""The remote parent of an invocation's span, and whether the span is sampled; pure."""

from __future__ import annotations

from serverless_instrument.wrapper.records.propagation import SpanContext, extract
from serverless_instrument.wrapper.settings import DEFAULT_SAMPLER, STANDARD_SAMPLERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
