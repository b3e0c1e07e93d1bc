"""What an invocation starts with: fields of the context, remote parent, sampling, its span. Pure.

The user's own code may call the handler, so that the context may be any object: what reads it here
never raises.
"""

from __future__ import annotations

from serverless_instrument.wrapper.records import is_ours, records
from serverless_instrument.wrapper.records.propagation import SpanContext, extract
from serverless_instrument.wrapper.settings import DEFAULT_SAMPLER, STANDARD_SAMPLERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.wrapper.events.base import Facts
    from serverless_instrument.wrapper.records.records import Attributes
    from serverless_instrument.wrapper.settings import Settings

    ExtractForeign = Callable[[Mapping[str, str]], SpanContext | None]

_DEADLINE_MAX_MS = (1 << 63) - 1


def text_of(context: object, name: str) -> str:
    """The attribute `name` of `context` if it is a string, else ""."""
    try:
        value = getattr(context, name, "")
        return str.__str__(value) if isinstance(value, str) else ""
    except Exception as error:  # of the context, which may be any object
        if not is_ours(error):
            raise
        return ""


def deadline_unix_ms(context: object, now_unix_ns: int) -> int:
    """The deadline in milliseconds since the epoch, 0 where the context does not tell it."""
    try:
        remaining_ms = context.get_remaining_time_in_millis()  # type: ignore[attr-defined] # guarded
        return min(max(0, now_unix_ns // 1_000_000 + int(remaining_ms)), _DEADLINE_MAX_MS)
    except Exception as error:  # of the context, which may be any object
        if not is_ours(error):
            raise
        return 0


def arn_attributes(context: object) -> Attributes:
    """Attributes of the invoked ARN; in ``cloud.resource_id`` the version replaces an alias.

    https://opentelemetry.io/docs/specs/semconv/resource/cloud/ (cloud.resource_id)
    """
    arn = text_of(context, "invoked_function_arn")
    if not arn:
        return {}
    attributes: Attributes = {"aws.lambda.invoked_arn": arn}
    parts = arn.split(":")
    if len(parts) >= 7 and parts[0] == "arn":
        attributes["cloud.account.id"] = parts[4]
        version = text_of(context, "function_version")
        if len(parts) > 7 and version:
            parts[7] = version
        attributes["cloud.resource_id"] = ":".join(parts)
    return attributes


def client_carrier(context: object) -> dict[str, str]:
    """Propagation headers from the client context of ``Invoke``; {} where it names no span."""
    try:
        if getattr(context, "client_context", None) is None:
            return {}
        from serverless_instrument.wrapper.events import client_context

        return client_context.carrier(context)
    except Exception as error:  # of the context, which may be any object
        if not is_ours(error):
            raise
        return {}


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
