"""One invocation as a state machine: event and outcome in, frames out. Pure.

Attributes: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/ and, for errors,
https://opentelemetry.io/docs/specs/semconv/general/recording-errors/.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wrapper.events import registry
from serverless_instrument.wrapper.invocation.frames import (
    SHORTENED_CHARACTERS,
    encode_bounded,
    end_batch,
    exception_log_frame,
    open_span_batch,
)
from serverless_instrument.wrapper.invocation.invocation_start import (
    client_carrier,
    deadline_unix_ms,
    find_parent,
    is_sampled,
    start_attributes,
    start_span,
    text_of,
)
from serverless_instrument.wrapper.records import encoder, is_ours, records, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from serverless_instrument.wrapper.events.base import Facts, Trigger
    from serverless_instrument.wrapper.invocation.invocation_start import ExtractForeign
    from serverless_instrument.wrapper.records.propagation import SpanContext
    from serverless_instrument.wrapper.settings import Settings

    class Live(Protocol):
        """The invocation's span as OpenTelemetry code in the function sees it."""

        def leave(self, end_unix_ns: int) -> None:
            """The handler is over: the span is no longer the current one."""
            ...

        def close(self, record: records.Span) -> records.Span:
            """End the span; the record to send, with what the user has set on the span."""
            ...

        def seen(self, record: records.Span) -> records.Span:
            """The record of the span as it is now, which has not ended."""
            ...

        def routed(self, name: str, attributes: Mapping[str, str]) -> None:
            """Set `name`, unless the user has given the span another, and `attributes`."""
            ...


CREATED, RUNNING, RETURNED, ENDED = "created", "running", "returned", "ended"
# (state, event) to the next state; any other pair is an error of the caller's.
_NEXT = {
    (CREATED, "start"): RUNNING,
    (RUNNING, "return"): RETURNED,
    (RETURNED, "end"): ENDED,
}
# Types of what a handler declared ``async`` or with ``yield`` returns. They are compared by name,
# and the object is neither run nor closed.
_UNMARSHALLABLE = frozenset(("async_generator", "coroutine", "generator"))


class Invocation:
    """The invocation span, from the event to the frames that carry it.

    Args:
        event: the decoded event; never changed.
        context: the runtime's context object, or anything at all.
        settings: the runtime side's settings.
        environ: the environment; only the X-Ray header and the function's name are read.
        now_unix_ns: the start time.
        random_bytes: source of ids, like `os.urandom`.
        coldstart: whether this is the environment's first invocation.
        extract_foreign: finds the parent where a propagator is not one of ours.
        extracted: the parent, or headers with it, that the user's own extractor has found, which
            takes precedence over the event's.

    The caller sets `cpu_ns` before START and END: the process's CPU time so far.
    """

    __slots__ = (
        "_batch_items",
        "_consumer_span",
        "_fact_bits",
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
        extract_foreign: ExtractForeign | None = None,
        extracted: Mapping[str, str] | SpanContext | None = None,
    ) -> None:
        self.state, self._settings = CREATED, settings
        self.live: Live | None = None
        self._trigger, facts = _read_event(event, settings.known_methods)
        # The client context is set by the caller itself, so that it counts before the event.
        self.carrier = client_carrier(context) or facts.carrier
        self.request_id = text_of(context, "aws_request_id")
        self.deadline_unix_ms = deadline_unix_ms(context, now_unix_ns)
        xray_header = environ.get("_X_AMZN_TRACE_ID")
        parent = find_parent(self.carrier, settings, xray_header, extract_foreign, extracted)
        # Without our changes, for the sampler of the SDK.
        self.parent_flags = parent.flags if parent else 0
        trace_id = parent.trace_id if parent else random_bytes(16)
        self.sampled = settings.traces_exported and is_sampled(settings, trace_id, parent)
        self._fact_bits = wire.FACT_COLDSTART if coldstart else 0
        if facts.trigger in wire.TRIGGERS:
            self._fact_bits |= wire.TRIGGERS.index(facts.trigger)
        # Numbers of a batch's items: of those that the response reports as failed, and of all.
        self._failed_items = self.cpu_ns = 0
        self._batch_items = facts.consumer.message_count if facts.consumer is not None else 0
        attributes = start_attributes(
            event, context, facts, settings, self.request_id, coldstart=coldstart
        )
        name = facts.name or environ.get("AWS_LAMBDA_FUNCTION_NAME") or "invocation"
        self.span = start_span(
            encoder.cut_unlimited(name, SHORTENED_CHARACTERS),
            trace_id,
            random_bytes(8),
            now_unix_ns,
            attributes,
            parent,
            sampled=self.sampled,
        )
        # A child of the invocation's span and never the current one: the parent of the handler's
        # spans is the invocation's span, with OpenTelemetry and without, whatever the source.
        self._consumer_span: records.Span | None = None
        if facts.consumer is not None and (self.sampled or settings.needs_sdk):
            from serverless_instrument.wrapper.invocation.consumer_span import start_consumer_span

            self._consumer_span = start_consumer_span(
                facts.consumer, self.span, settings, random_bytes, extract_foreign
            )
        # The name that we gave last, to tell it from one that the user gives.
        self._name, self._framework_route = self.span.name, ""

    def _advance(self, event: str) -> None:
        state = _NEXT.get((self.state, event))
        if state is None:
            msg = f"an invocation that is {self.state} cannot {event}"
            raise ValueError(msg)
        self.state = state

    def start(self) -> bytes:
        """The START frame: the span, failed and without an end, in case END is never sent."""
        self._advance("start")
        span = self.span
        batch = wire.pack_batch(encoder.SCOPE, b"", 0)
        if self.sampled:
            span.status_code = records.STATUS_ERROR
            message = encode_bounded(span, self._settings.limits)
            batch = wire.pack_batch(encoder.SCOPE, message, 1)
            span.status_code = records.STATUS_UNSET
        return self._frame(wire.START, span.start_unix_ns, batch)

    def open_frames(
        self, stack: str, children: Iterable[tuple[bytes, records.Span]], now_unix_ns: int
    ) -> bytes:
        """OPEN frames of the span and its `children` that are open near the deadline.

        Called in another thread than the handler's.

        Args:
            stack: the stack of the handler's thread.
            children: (encoded scope, span) of each.
            now_unix_ns: the time.
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
        frames = [self._open_frame(encoder.SCOPE, span, events)]
        for scope, child in children:
            frames.append(self._open_frame(scope, child, child.events))
        return b"".join(frames)

    def _open_frame(self, scope: bytes, span: records.Span, events: list[records.Event]) -> bytes:
        batch = open_span_batch(scope, span, events, self._settings.limits)
        return self._frame(wire.OPEN, span.start_unix_ns, batch)

    def set_route(self, route: str) -> None:
        """Set the request's `route`, which a web framework in the function has found.

        The gateway's route is kept unless it has none, or only a greedy one (``/{proxy+}``).
        """
        attributes, name = self.span.attributes, self.span.name
        known = attributes.get("http.route", "")
        method = attributes.get("http.request.method")
        if not method or (known and "+}" not in str(known) and known != self._framework_route):
            return
        self._framework_route = route
        named = f"{'HTTP' if method == '_OTHER' else method} {route}"
        named = encoder.cut_unlimited(named, SHORTENED_CHARACTERS)
        if name == self._name:
            self._name = self.span.name = named
        attributes["http.route"] = route
        if self.live is not None:
            self.live.routed(named, {"http.route": route})

    def succeed(self, response: object, now_unix_ns: int) -> bytes:
        """The END frame of an invocation whose `response` nobody is known to post."""
        self.record_response(response, now_unix_ns)
        kind = type_name(response)
        if kind in _UNMARSHALLABLE:
            # A runtime client fails the invocation after this, with this message.
            message = f"Unable to marshal response: Object of type {kind} is not JSON serializable"
            return self.end(("Runtime.MarshalError", message))
        return self.end()

    def record_response(self, response: object, now_unix_ns: int) -> None:
        """The handler has returned `response`: the span ends now, whenever `end` is called."""
        self.record_return(now_unix_ns)
        try:
            outcome = self._trigger.outcome(response)
        except Exception as error:  # a response may be any object, whose methods may raise
            if not is_ours(error):
                raise
            return
        self.span.attributes.update(outcome.attributes)
        self._capture_response_headers(response)
        if outcome.error_type:
            self._set_error(outcome.error_type, outcome.message)
        if outcome.failed_messages:
            self._set_failed_items(outcome.failed_messages)

    def record_return(self, now_unix_ns: int) -> None:
        """The handler is over: the span ends now, whenever `end` is called."""
        self._advance("return")
        # The wall clock may step back while the environment is frozen.
        self.span.end_unix_ns = max(now_unix_ns, self.span.start_unix_ns)
        if self.live is not None:
            self.live.leave(self.span.end_unix_ns)

    def _set_failed_items(self, failed_messages: int) -> None:
        """Set the number of a batch's items that the response reports as failed."""
        from serverless_instrument.wrapper.events.base import ALL_MESSAGES

        all_failed = failed_messages == ALL_MESSAGES
        self._failed_items = self._batch_items if all_failed else failed_messages
        if self._consumer_span is not None:
            from serverless_instrument.wrapper.invocation.consumer_span import mark_failed

            mark_failed(self._consumer_span, failed_messages)

    def _capture_response_headers(self, response: object) -> None:
        settings, attributes = self._settings, self.span.attributes
        if settings.response_headers is None or attributes.get("faas.trigger") != "http":
            return
        from serverless_instrument.wrapper.events import captured_headers

        captured, sanitized = settings.response_headers, settings.sanitized_headers
        try:
            attributes.update(captured_headers.response(response, captured, sanitized))
        except Exception as error:  # as in `succeed`
            if not is_ours(error):
                raise
            return

    def fail(self, error: BaseException, stacktrace: str, now_unix_ns: int) -> bytes:
        """The END frame of a handler that raised `error`, which nobody is known to post."""
        from serverless_instrument.wrapper.records import errors

        self.record_return(now_unix_ns)
        details = errors.details(error, stacktrace)
        return self.end(errors.failure(details), error, details)

    def end(
        self,
        failure: tuple[str, str] | None = None,
        error: BaseException | None = None,
        details: Mapping[str, object] | None = None,
    ) -> bytes:
        """The END frame; the LOGS frame of `error` before it.

        The settings decide whether the exception is an event of the span, a log record, or both.

        Args:
            failure: ``error.type`` and message, if the invocation has failed.
            error: the exception that the handler raised, if it raised one.
            details: the `errors.details` of `error`.
        """
        self._advance("end")
        if failure is not None:
            self._set_error(*failure)
            if isinstance(error, MemoryError):
                self._fact_bits |= wire.FACT_OUT_OF_MEMORY
        log = self._record_exception(details) if details is not None else b""
        return log + self._end()

    def _record_exception(self, details: Mapping[str, object]) -> bytes:
        """Add the exception's event to the span; the LOGS frame where the settings ask for one."""
        span, settings = self.span, self._settings
        if settings.exception_as_event:
            span.events.append(records.Event("exception", span.end_unix_ns, details))
        if not settings.exception_as_log:
            return b""
        request_id, limits = self.request_id, settings.limits
        return exception_log_frame(span, request_id, details, span.end_unix_ns, limits)

    def abandon(self) -> None:
        """Give up: nothing will be sent. The span stops being the current one; never raises."""
        live, self.live = self.live, None
        try:
            if live is not None:
                live.leave(self.span.end_unix_ns)
                live.close(self.span)
        except Exception as error:  # a failure of ours has led here, and this may fail as well
            if not is_ours(error):
                raise
            return

    def _set_error(self, error_type: str, message: str) -> None:
        """Set error type and message on the invocation's and the CONSUMER span."""
        message = encoder.cut_unlimited(message, SHORTENED_CHARACTERS)
        # By the specification, a status OK that the user has set is final.
        if self.span.status_code != records.STATUS_OK:
            self.span.status_code = records.STATUS_ERROR
            self.span.status_message = message
        self.span.attributes["error.type"] = error_type
        consumer = self._consumer_span
        if consumer is not None:
            consumer.status_code = records.STATUS_ERROR
            consumer.status_message = message
            consumer.attributes["error.type"] = error_type
        self._fact_bits |= wire.FACT_FAILED

    def _end(self) -> bytes:
        """End the span; the END frame."""
        if self.live is not None:
            self.span = self.live.close(self.span)
        batch = wire.pack_batch(encoder.SCOPE, b"", 0)
        if self.sampled:
            batch = end_batch(self.span, self._consumer_span, self._settings.limits)
        return self._frame(wire.END, self.span.end_unix_ns, batch)

    def _frame(self, kind: int, time_unix_ns: int, batch: bytes) -> bytes:
        payload = wire.pack_request(
            self.request_id,
            time_unix_ns,
            self.deadline_unix_ms,
            batch,
            self._fact_bits,
            self._failed_items,
            self.cpu_ns,
        )
        return wire.frame(kind, payload)


def _read_event(event: object, known_methods: frozenset[str]) -> tuple[Trigger, Facts]:
    """The event's trigger, and what it tells of the event."""
    try:
        trigger = registry.select(event)
        return trigger, trigger.facts(event, known_methods)  # type: ignore[arg-type] # inferred
    except Exception as error:  # an event of a shape that no trigger expects must have a span, too
        if not is_ours(error):
            raise
        trigger = registry.load(registry.FALLBACK)
        return trigger, trigger.facts({}, known_methods)
