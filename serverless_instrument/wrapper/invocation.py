"""One invocation as a state machine: event and outcome in, frames out; no I/O.

Attributes: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/ and, for errors,
https://opentelemetry.io/docs/specs/semconv/general/recording-errors/.
"""

from __future__ import annotations

from serverless_instrument import __version__, wire
from serverless_instrument.wrapper import encoder, records
from serverless_instrument.wrapper.propagation import SpanContext, extract
from serverless_instrument.wrapper.settings import DEFAULT_SAMPLER, STANDARD_SAMPLERS
from serverless_instrument.wrapper.triggers import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from serverless_instrument.wrapper.records import Attributes
    from serverless_instrument.wrapper.settings import Settings
    from serverless_instrument.wrapper.triggers.base import Facts, Trigger

    class Live(Protocol):
        """The span as OpenTelemetry code in the function sees it."""

        def close(self, record: records.Span) -> records.Span:
            """End it; the record to send, with what the user has put on the span."""
            ...

        def routed(self, name: str, attributes: Mapping[str, str]) -> None:
            """Take another name, unless the user has given one, and `attributes`."""
            ...


SCOPE = encoder.scope("serverless_instrument", __version__)

CREATED, RUNNING, ENDED = "created", "running", "ended"
_NEXT = {
    (CREATED, "start"): RUNNING,
    (RUNNING, "succeed"): ENDED,
    (RUNNING, "fail"): ENDED,
}
MESSAGE_LIMIT_BYTES = wire.MAX_PAYLOAD_BYTES // 2
# A span over a frame's size keeps this much of each value rather than being lost. Its name and its
# status are no attributes, to which limits apply, and are never longer.
_SHORTENED_CHARACTERS = 4096
# What a handler declared ``async`` or with ``yield`` returns; told by name, never run or closed.
_UNMARSHALLABLE = frozenset(("async_generator", "coroutine", "generator"))
_DEADLINE_MAX_MS = (1 << 63) - 1


class Invocation:
    """The invocation span, from the event to the frames that carry it.

    Args:
        event: the decoded event; never changed.
        context: the runtime's context object, or anything at all.
        settings: the runtime side's settings.
        environ: read for the X-Ray header and the function's name only.
        now_unix_ns: the start time.
        random_bytes: source of ids, like `os.urandom`.
        coldstart: whether this is the environment's first invocation.
        extract_foreign: finds the parent where a propagator is not one of ours.
        extracted: the parent, or headers with it, that the user's own extractor has found; it
            counts before what the event says.
    """

    __slots__ = (
        "_facts",
        "_framework_route",
        "_name",
        "_settings",
        "_trigger",
        "carrier",
        "deadline_unix_ms",
        "live",
        "parent_flags",
        "request_id",
        "sampled",
        "span",
        "state",
    )

    def __init__(
        self,
        event: object,
        context: object,
        settings: Settings,
        environ: Mapping[str, str],
        now_unix_ns: int,
        random_bytes: Callable[[int], bytes],
        *,
        coldstart: bool,
        extract_foreign: Callable[[Mapping[str, str]], SpanContext | None] | None = None,
        extracted: Mapping[str, str] | SpanContext | None = None,
    ) -> None:
        self.state = CREATED
        self._settings = settings
        self.live: Live | None = None
        self._trigger, facts = _facts(event, settings.known_methods)
        self.carrier = facts.carrier
        self.request_id = _text_of(context, "aws_request_id")
        self.deadline_unix_ms = _deadline(context, now_unix_ns)
        parent = extract(
            facts.carrier,
            settings.propagators,
            environ.get("_X_AMZN_TRACE_ID"),
            ignore_xray_decision=settings.ignore_xray_decision,
        )
        if settings.needs_sdk and extract_foreign is not None:
            foreign = extract_foreign(facts.carrier)
            # Of a span that we find, too, our reading stands, with X-Ray's decision as set.
            if foreign is not None and (parent is None or foreign.span_id != parent.span_id):
                parent = foreign
        if extracted is not None:
            parent = _found_by_user(extracted, settings) or parent
        # The parent's own, for the sampler of the SDK.
        self.parent_flags = parent.flags if parent else 0
        trace_id = parent.trace_id if parent else random_bytes(16)
        self.sampled = settings.traces_exported and _sampled(settings, trace_id, parent)
        self._facts = wire.FACT_COLDSTART if coldstart else 0
        if facts.trigger in wire.TRIGGERS:
            self._facts |= wire.TRIGGERS.index(facts.trigger)
        attributes: Attributes = {
            "faas.trigger": facts.trigger,
            "faas.coldstart": coldstart,
        }
        if self.request_id:
            attributes["faas.invocation_id"] = self.request_id
        attributes.update(_arn_attributes(context))
        attributes.update(facts.attributes)
        self.span = records.Span(
            (facts.name or environ.get("AWS_LAMBDA_FUNCTION_NAME") or "invocation")[
                :_SHORTENED_CHARACTERS
            ],
            records.KIND_SERVER,
            trace_id,
            random_bytes(8),
            now_unix_ns,
            attributes,
            parent.span_id if parent else b"",
            parent.trace_state if parent else "",
            (parent.flags & ~1 if parent else records.FLAG_RANDOM)
            | self.sampled
            | records.FLAG_HAS_IS_REMOTE
            | (records.FLAG_IS_REMOTE if parent else 0),
        )

        # To tell a name of the user's from ours.
        self._name = self.span.name
        self._framework_route = ""

    def _advance(self, event: str) -> None:
        state = _NEXT.get((self.state, event))
        if state is None:
            msg = f"an invocation that is {self.state} cannot {event}"
            raise ValueError(msg)
        self.state = state

    def start(self) -> bytes:
        """The START frame: the span as it will stand if the invocation never ends."""
        self._advance("start")
        span = self.span
        span.status_code = records.STATUS_ERROR
        batch = self._batch(wrap=False)
        span.status_code = records.STATUS_UNSET
        return self._frame(wire.START, span.start_unix_ns, batch)

    def found_route(self, route: str) -> None:
        """A web framework in the function has found the request's route.

        It counts where the gateway knows none, or one that stands for all paths.
        """
        attributes, name = self.span.attributes, self.span.name
        known = attributes.get("http.route", "")
        method = attributes.get("http.request.method")
        if not method or (known and "+}" not in str(known) and known != self._framework_route):
            return
        self._framework_route = route
        named = f"{'HTTP' if method == '_OTHER' else method} {route}"[:_SHORTENED_CHARACTERS]
        if name == self._name:
            self._name = self.span.name = named
        attributes["http.route"] = route
        if self.live is not None:
            self.live.routed(named, {"http.route": route})

    def succeed(self, response: object, now_unix_ns: int) -> bytes:
        """The END frame of an invocation that returned `response`."""
        self._advance("succeed")
        kind = type(response).__name__
        if kind in _UNMARSHALLABLE:
            # The words of the runtime client, which fails the invocation after this.
            message = f"Unable to marshal response: Object of type {kind} is not JSON serializable"
            self._error("Runtime.MarshalError", message)
            return self._end(now_unix_ns)
        try:
            outcome = self._trigger.outcome(response)
        except Exception:  # a response may be any object, with any behaviour
            return self._end(now_unix_ns)
        self.span.attributes.update(outcome.attributes)
        if outcome.error_type:
            self._error(outcome.error_type, outcome.message)
        return self._end(now_unix_ns)

    def fail(self, error: BaseException, stacktrace: str, now_unix_ns: int) -> bytes:
        """The END frame, after the exception's LOGS frame where asked for, of a raising handler."""
        from serverless_instrument.wrapper import errors

        self._advance("fail")
        details = errors.details(error, stacktrace)
        self._error(errors.qualified_name(type(error)), errors.message(error))
        span, settings = self.span, self._settings
        if settings.exception_as_event:
            span.events.append(records.Event("exception", now_unix_ns, details))
        frames = b""
        if settings.exception_as_log:
            frames = self._exception_log(details, now_unix_ns)
        return frames + self._end(now_unix_ns)

    def abandon(self) -> None:
        """Nothing will be sent: see that the span is the current one no longer; never raises."""
        live, self.live = self.live, None
        try:
            if live is not None:
                live.close(self.span)
        except Exception:  # telemetry has failed already, the function must not
            return

    def _error(self, error_type: str, message: str) -> None:
        if self.span.status_code != records.STATUS_OK:  # which is final, by the specification
            self.span.status_code = records.STATUS_ERROR
            self.span.status_message = message[:_SHORTENED_CHARACTERS]
        self.span.attributes["error.type"] = error_type
        self._facts |= wire.FACT_FAILED

    def _exception_log(self, details: Mapping[str, object], now_unix_ns: int) -> bytes:
        span = self.span
        record = records.LogRecord(
            now_unix_ns,
            records.SEVERITY_ERROR,
            "ERROR",
            None,
            {**details, "faas.invocation_id": self.request_id},
            span.trace_id,
            span.span_id,
            span.flags & 0xFF,
            "faas.invocation.exception",
        )
        message = encoder.log_record(record, self._settings.limits)
        if len(message) > MESSAGE_LIMIT_BYTES:
            limits = self._settings.limits.shortened(_SHORTENED_CHARACTERS)
            message = encoder.log_record(record, limits)
        return wire.frame(wire.LOGS, wire.pack_batch(SCOPE, encoder.item(message), 1))

    def _end(self, now_unix_ns: int) -> bytes:
        # A wall clock may step back while the environment is frozen.
        self.span.end_unix_ns = max(now_unix_ns, self.span.start_unix_ns)
        if self.live is not None:
            self.span = self.live.close(self.span)
        return self._frame(wire.END, self.span.end_unix_ns, self._batch(wrap=True))

    def _batch(self, *, wrap: bool) -> bytes:
        if not self.sampled:
            return wire.pack_batch(SCOPE, b"", 0)
        message = bounded(self.span, self._settings.limits)
        return wire.pack_batch(SCOPE, encoder.item(message) if wrap else message, 1)

    def _frame(self, kind: int, time_unix_ns: int, batch: bytes) -> bytes:
        payload = wire.pack_request(
            self.request_id, time_unix_ns, self.deadline_unix_ms, batch, self._facts
        )
        return wire.frame(kind, payload)


def bounded(span: records.Span, limits: encoder.Limits) -> bytes:
    """The encoded span, with its values cut where it would not fit a frame."""
    message = encoder.span(span, limits)
    if len(message) > MESSAGE_LIMIT_BYTES:
        message = encoder.span(span, limits.shortened(_SHORTENED_CHARACTERS))
    return message


def span_frame(span: records.Span, limits: encoder.Limits, scope: bytes = SCOPE) -> bytes:
    """The SPANS frame of one finished span."""
    return wire.batch_frame(wire.SPANS, scope, encoder.item(bounded(span, limits)), 1)


def _facts(event: object, known_methods: frozenset[str]) -> tuple[Trigger, Facts]:
    try:
        trigger = registry.select(event)
        return trigger, trigger.facts(event, known_methods)  # type: ignore[arg-type] # inferred
    except Exception:  # whatever shape defeats a trigger must still give a span
        trigger = registry.load(registry.FALLBACK)
        return trigger, trigger.facts({}, known_methods)


def _found_by_user(
    extracted: Mapping[str, str] | SpanContext, settings: Settings
) -> SpanContext | None:
    if isinstance(extracted, SpanContext):
        return extracted
    decision = settings.ignore_xray_decision
    return extract(extracted, settings.propagators, None, ignore_xray_decision=decision)


def _sampled(settings: Settings, trace_id: bytes, parent: SpanContext | None) -> bool:
    # A sampler that only a package knows is asked once the SDK is loaded.
    if settings.sampler == DEFAULT_SAMPLER or settings.sampler not in STANDARD_SAMPLERS:
        return parent is None or parent.sampled
    from serverless_instrument.wrapper import sampling

    return sampling.sampled(settings.sampler, settings.sampler_ratio, trace_id, parent)


def _text_of(context: object, name: str) -> str:
    try:
        value = getattr(context, name, "")
        return str.__str__(value) if isinstance(value, str) else ""
    except Exception:  # a context of the user's own making may do anything
        return ""


def _deadline(context: object, now_unix_ns: int) -> int:
    """The deadline in milliseconds since the epoch, 0 where the context does not tell."""
    try:
        remaining_ms = context.get_remaining_time_in_millis()  # type: ignore[attr-defined] # guarded
        return min(max(0, now_unix_ns // 1_000_000 + int(remaining_ms)), _DEADLINE_MAX_MS)
    except Exception:  # as above
        return 0


def _arn_attributes(context: object) -> Attributes:
    """Attributes of the invoked ARN; its alias is replaced by the version that ran.

    https://opentelemetry.io/docs/specs/semconv/resource/cloud/ (cloud.resource_id)
    """
    arn = _text_of(context, "invoked_function_arn")
    if not arn:
        return {}
    attributes: Attributes = {"aws.lambda.invoked_arn": arn}
    parts = arn.split(":")
    if len(parts) >= 7 and parts[0] == "arn":
        attributes["cloud.account.id"] = parts[4]
        version = _text_of(context, "function_version")
        if len(parts) > 7 and version:
            parts[7] = version
        attributes["cloud.resource_id"] = ":".join(parts)
    return attributes
