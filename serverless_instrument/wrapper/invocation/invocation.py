"""One invocation as a state machine: event and outcome in, frames out; no I/O.

Attributes: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/ and, for errors,
https://opentelemetry.io/docs/specs/semconv/general/recording-errors/.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wire import __version__
from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.records import encoder, records
from serverless_instrument.wrapper.records.propagation import SpanContext, extract
from serverless_instrument.wrapper.settings import DEFAULT_SAMPLER, STANDARD_SAMPLERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from serverless_instrument.wrapper.events.base import Consumer, Facts, Trigger
    from serverless_instrument.wrapper.records.records import Attributes
    from serverless_instrument.wrapper.settings import Settings

    class Live(Protocol):
        """The span as OpenTelemetry code in the function sees it."""

        def close(self, record: records.Span) -> records.Span:
            """End it; the record to send, with what the user has put on the span."""
            ...

        def seen(self, record: records.Span) -> records.Span:
            """The record of the span as it is now."""
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
# What a frame holds besides its spans: scope, request id, lengths.
_FRAME_ROOM_BYTES = 8192


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

    `cpu_ns` is for who calls it to set, before START and END: the process's CPU time so far.
    """

    __slots__ = (
        "_batch_items",
        "_consumer",
        "_facts",
        "_failed_items",
        "_framework_route",
        "_name",
        "_settings",
        "_trigger",
        "carrier",
        "cpu_ns",
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
        self.state, self._settings = CREATED, settings
        self.live: Live | None = None
        self._trigger, facts = _facts(event, settings.known_methods)
        carrier = _callers(context) or facts.carrier
        self.carrier = carrier
        self.request_id = _text_of(context, "aws_request_id")
        self.deadline_unix_ms = _deadline(context, now_unix_ns)
        parent = extract(
            carrier,
            settings.propagators,
            environ.get("_X_AMZN_TRACE_ID"),
            ignore_xray_decision=settings.ignore_xray_decision,
        )
        if settings.needs_sdk and extract_foreign is not None:
            foreign = extract_foreign(carrier)
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
        # How many a batch has, and how many of them the response gives back.
        self._failed_items = self.cpu_ns = 0
        self._batch_items = facts.consumer.message_count if facts.consumer is not None else 0
        attributes: Attributes = {
            "faas.trigger": facts.trigger,
            "faas.coldstart": coldstart,
        }
        if self.request_id:
            attributes["faas.invocation_id"] = self.request_id
        attributes.update(_arn_attributes(context))
        attributes.update(facts.attributes)
        if settings.request_headers is not None and facts.trigger == "http":
            attributes.update(_request_headers(event, facts.carrier, settings))
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
        # Beside the invocation's span and not around the handler: what the handler's own spans are
        # children of is the invocation, with OpenTelemetry or without, whatever the source.
        self._consumer: records.Span | None = None
        if facts.consumer is not None and (self.sampled or settings.needs_sdk):
            foreign_extract = extract_foreign if settings.needs_sdk else None
            self._consumer = _consumer(
                facts.consumer, self.span, settings, random_bytes, foreign_extract
            )

        # To tell a name of the user's from ours.
        self._name, self._framework_route = self.span.name, ""

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

    def unfinished(
        self, stack: str, children: Iterable[tuple[bytes, records.Span]], now_unix_ns: int
    ) -> bytes:
        """OPEN frames of the span and of `children`, (scope, span), that run near the deadline.

        `stack` is where the handler is. Called in another thread than the handler's.
        """
        if not self.sampled:
            return b""
        span = self.live.seen(self.span) if self.live is not None else self.span
        details = {
            "exception.type": "timeout",
            "exception.message": "the invocation's time is up",
            "exception.stacktrace": stack,
        }
        events = [*span.events, records.Event("exception", now_unix_ns, details)]
        frames = [self._open_frame(SCOPE, span, events)]
        for scope, child in children:
            frames.append(self._open_frame(scope, child, child.events))
        return b"".join(frames)

    def _open_frame(self, scope: bytes, span: records.Span, events: list[records.Event]) -> bytes:
        # A copy: the handler may go on with the span itself.
        seen = records.Span(
            span.name,
            span.kind,
            span.trace_id,
            span.span_id,
            span.start_unix_ns,
            dict(span.attributes),
            span.parent_span_id,
            span.trace_state,
            span.flags,
        )
        seen.events, seen.links = list(events), list(span.links)
        seen.status_code, seen.status_message = records.STATUS_ERROR, span.status_message
        batch = wire.pack_batch(scope, bounded(seen, self._settings.limits), 1)
        return self._frame(wire.OPEN, span.start_unix_ns, batch)

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
        self._capture_response_headers(response)
        if outcome.error_type:
            self._error(outcome.error_type, outcome.message)
        if outcome.failed_messages:
            self._give_back(outcome.failed_messages)
        return self._end(now_unix_ns)

    def _give_back(self, failed_messages: int) -> None:
        from serverless_instrument.wrapper.events.base import ALL_MESSAGES

        everything = failed_messages == ALL_MESSAGES
        self._failed_items = self._batch_items if everything else failed_messages
        if self._consumer is not None:
            from serverless_instrument.wrapper.invocation import consumer_span

            consumer_span.mark_failed(self._consumer, failed_messages)

    def _capture_response_headers(self, response: object) -> None:
        settings, attributes = self._settings, self.span.attributes
        if settings.response_headers is None or attributes.get("faas.trigger") != "http":
            return
        from serverless_instrument.wrapper.events import captured_headers

        captured, sanitized = settings.response_headers, settings.sanitized_headers
        try:
            attributes.update(captured_headers.response(response, captured, sanitized))
        except Exception:  # as in `succeed`
            return

    def fail(self, error: BaseException, stacktrace: str, now_unix_ns: int) -> bytes:
        """The END frame, after the exception's LOGS frame where asked for, of a raising handler."""
        from serverless_instrument.wrapper.records import errors

        self._advance("fail")
        details = errors.details(error, stacktrace)
        self._error(errors.qualified_name(type(error)), errors.message(error))
        if isinstance(error, MemoryError):
            self._facts |= wire.FACT_OUT_OF_MEMORY
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
        if self._settings.mask is not None:
            message = self._settings.mask(message)  # before it is cut: half a secret has no pattern
        if self.span.status_code != records.STATUS_OK:  # which is final, by the specification
            self.span.status_code = records.STATUS_ERROR
            self.span.status_message = message[:_SHORTENED_CHARACTERS]
        self.span.attributes["error.type"] = error_type
        consumer = self._consumer
        if consumer is not None:
            consumer.status_code = records.STATUS_ERROR
            consumer.status_message = message[:_SHORTENED_CHARACTERS]
            consumer.attributes["error.type"] = error_type
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
        limits = self._settings.limits
        message = bounded(self.span, limits)
        if not wrap:
            return wire.pack_batch(SCOPE, message, 1)
        consumer = self._consumer
        if consumer is None:
            return wire.pack_batch(SCOPE, encoder.item(message), 1)
        consumer.end_unix_ns = self.span.end_unix_ns
        second = bounded(consumer, limits)
        if len(message) + len(second) > wire.MAX_PAYLOAD_BYTES - _FRAME_ROOM_BYTES:
            # Only a link limit in the thousands gets here; a frame that is too large loses both.
            consumer.dropped_links += len(consumer.links)
            consumer.links.clear()
            second = bounded(consumer, limits)
        return wire.pack_batch(SCOPE, encoder.item(message) + encoder.item(second), 2)

    def _frame(self, kind: int, time_unix_ns: int, batch: bytes) -> bytes:
        payload = wire.pack_request(
            self.request_id,
            time_unix_ns,
            self.deadline_unix_ms,
            batch,
            self._facts,
            self._failed_items,
            self.cpu_ns,
        )
        return wire.frame(kind, payload)


def bounded(span: records.Span, limits: encoder.Limits) -> bytes:
    """The encoded span, with its values cut where it would not fit a frame."""
    message = encoder.span(span, limits)
    if len(message) > MESSAGE_LIMIT_BYTES:
        message = encoder.span(span, limits.shortened(_SHORTENED_CHARACTERS))
    return message


def init_error_frame(
    error: BaseException, stacktrace: str, now_unix_ns: int, limits: encoder.Limits
) -> bytes:
    """INIT_ERROR of the exception that ended init, with its ``exception`` event."""
    from serverless_instrument.wrapper.records import errors

    details = errors.details(error, stacktrace[: MESSAGE_LIMIT_BYTES // 4])
    event = encoder.event(records.Event("exception", now_unix_ns, details), limits)
    # The runtime client's own errors have their name, as the platform shows it, beside their class.
    told = getattr(error, "exception_type", None)
    kind = told if type(told) is str and told else errors.qualified_name(type(error))
    payload = wire.pack_request(kind, now_unix_ns, 0, wire.pack_batch(SCOPE, event, 1))
    return wire.frame(wire.INIT_ERROR, payload)


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


def _consumer(
    consumer: Consumer,
    root: records.Span,
    settings: Settings,
    random_bytes: Callable[[int], bytes],
    extract_foreign: Callable[[Mapping[str, str]], SpanContext | None] | None,
) -> records.Span:
    from serverless_instrument.wrapper.invocation import consumer_span

    def find(carrier: Mapping[str, str]) -> SpanContext | None:
        found = extract(carrier, settings.propagators, None, ignore_xray_decision=False)
        if found is None and extract_foreign is not None:
            return extract_foreign(carrier)
        return found

    # "none" leaves no propagator at all; SQS's own header is read whatever others are named.
    own_headers = bool(settings.propagators)
    return consumer_span.started(
        consumer, root, random_bytes(8), find, settings.limits.link_count, own_headers=own_headers
    )


def _callers(context: object) -> dict[str, str]:
    """What a caller of ``Invoke`` has put into its client context: nearer than the event's."""
    try:
        if getattr(context, "client_context", None) is None:
            return {}
        from serverless_instrument.wrapper.events import client_context

        return client_context.carrier(context)
    except Exception:  # a context of the user's own making may do anything
        return {}


def _request_headers(
    event: object, carrier: Mapping[str, str], settings: Settings
) -> dict[str, list[str]]:
    from serverless_instrument.wrapper.events import captured_headers

    if settings.request_headers is None:
        return {}
    return captured_headers.request(
        event, carrier, settings.request_headers, settings.sanitized_headers
    )


def _sampled(settings: Settings, trace_id: bytes, parent: SpanContext | None) -> bool:
    # A sampler that only a package knows is asked once the SDK is loaded.
    if settings.sampler == DEFAULT_SAMPLER or settings.sampler not in STANDARD_SAMPLERS:
        return parent is None or parent.sampled
    from serverless_instrument.wrapper.records import sampling

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
