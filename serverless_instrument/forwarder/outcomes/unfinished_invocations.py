"""Invocations whose runtime is gone before END; pure.

Each waits for the platform to report how it went: the error's type and the time. Without that it is
sent after a while with what the deadline implies. Each is sent once.
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-runtimeDone
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec import spans
from serverless_instrument.forwarder.telemetry_api.platform_events import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

    # (resource, scope, tagged span)
    SpanSink = Callable[[bytes, bytes, bytes], None]
    # (request id, end in Unix nanoseconds, error type)
    FailureListener = Callable[[str, int, str], None]

TIMEOUT, EXIT_ERROR = "timeout", "Runtime.ExitError"
# How long the platform's report is waited for: it is buffered for 25 ms and may be a second late.
HOLD_NS = 500_000_000
# The platform kills a runtime at its deadline; what dies closer to it than this timed out.
_DEADLINE_SLACK_MS = 100
_MOST_REMEMBERED = 64


class OpenInvocation:
    """A request whose END has not come: what START and OPEN have said of it.

    Attributes:
        span: the unfinished invocation span, b"" where it is not sampled.
        children: (scope, unfinished span) by span id.
        warned: whether the runtime has been told that the deadline is near.
    """

    __slots__ = (
        "children",
        "deadline_unix_ms",
        "request_id",
        "resource",
        "scope",
        "span",
        "span_id",
        "warned",
    )

    def __init__(
        self,
        request_id: str,
        deadline_unix_ms: int,
        resource: bytes,
        scope: bytes,
        span: bytes,
        span_id: bytes,
    ) -> None:
        self.request_id = request_id
        self.deadline_unix_ms = deadline_unix_ms
        self.resource = resource
        self.scope = scope
        self.span = span
        self.span_id = span_id
        self.children: dict[bytes, tuple[bytes, bytes]] = {}
        self.warned = False

    def record_open_span(self, scope: bytes, span: bytes) -> None:
        """OPEN came: `span` is unfinished; the invocation's own takes the place of START's."""
        if not self.span:
            return
        span_id = spans.span_id(span)
        if span_id == self.span_id:
            self.span = span
        elif span_id:
            self.children[span_id] = (scope, span)

    def forget_ended_spans(self, tagged: bytes) -> None:
        """SPANS came: these children have ended after all."""
        for span in spans.items(tagged):
            self.children.pop(spans.span_id(span), None)


class Failure:
    """How an invocation failed; `end_unix_ns` 0 is not known."""

    __slots__ = ("end_unix_ns", "error_type")

    def __init__(self, error_type: str, end_unix_ns: int) -> None:
        self.error_type = error_type
        self.end_unix_ns = end_unix_ns


def failure_of(event: Event) -> Failure | None:
    """The failure in a ``platform.runtimeDone`` or ``platform.report``; None for success."""
    status = text_of(event.record, "status")
    if status in ("", "success"):
        return None
    if status == TIMEOUT:
        return Failure(TIMEOUT, event.time_unix_ns)
    return Failure(text_of(event.record, "errorType") or EXIT_ERROR, event.time_unix_ns)


class UnfinishedInvocations:
    """Invocations whose runtime is gone, until their failure is known.

    Args:
        sink: takes finished spans.
        on_failure: is told of each invocation, sampled or not.

    Attributes:
        platform_reports: whether the platform will report how invocations went.
        send_at_unix_ns: when to call `send_due`, 0 for never.
    """

    def __init__(self, sink: SpanSink, on_failure: FailureListener) -> None:
        self._sink = sink
        self._on_failure = on_failure
        # request id -> (invocation, when its runtime was gone)
        self._held: dict[str, tuple[OpenInvocation, int]] = {}
        self._failures: dict[str, Failure] = {}
        self.platform_reports = False
        self.send_at_unix_ns = 0

    def record_start(self, request_id: str) -> None:
        """START came: what was reported of the request id before was of an earlier attempt."""
        self._failures.pop(request_id, None)

    def record_end(self, request_id: str) -> None:
        """END came, over another connection of a runtime that is still there."""
        self._failures.pop(request_id, None)
        if self._held.pop(request_id, None) is not None:
            self._schedule()

    def record_runtime_exit(self, invocations: Iterable[OpenInvocation], now_unix_ns: int) -> None:
        """A runtime is gone with `invocations` unfinished."""
        for invocation in invocations:
            failure = self._failures.pop(invocation.request_id, None)
            if failure is not None or not self.platform_reports:
                self._send(invocation, failure, now_unix_ns)
            else:
                self._held[invocation.request_id] = (invocation, now_unix_ns)
        self._schedule()

    def record_platform_end(self, event: Event) -> None:
        """``platform.runtimeDone`` or ``platform.report`` came."""
        failure, request_id = failure_of(event), event.request_id
        if failure is None or not request_id:
            return
        held = self._held.pop(request_id, None)
        if held is not None:
            self._send(held[0], failure, held[1])
            self._schedule()
            return
        self._failures.setdefault(request_id, failure)
        if len(self._failures) > _MOST_REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def send_due(self, now_unix_ns: int) -> None:
        """Send what has been held long enough."""
        for request_id, (invocation, since_unix_ns) in list(self._held.items()):
            if now_unix_ns - since_unix_ns >= HOLD_NS:
                del self._held[request_id]
                self._send(invocation, None, since_unix_ns)
        self._schedule()

    def send_all(self, error_type: str = "") -> None:
        """Send everything that is held; `error_type` is that of all, "" where it is not known."""
        held, self._held = self._held, {}
        for invocation, since_unix_ns in held.values():
            self._send(invocation, Failure(error_type, 0) if error_type else None, since_unix_ns)
        self._schedule()

    def _schedule(self) -> None:
        since = [since_unix_ns for _, since_unix_ns in self._held.values()]
        self.send_at_unix_ns = min(since) + HOLD_NS if since else 0

    def _send(self, invocation: OpenInvocation, failure: Failure | None, gone_unix_ns: int) -> None:
        if failure is None:
            gone_unix_ms = gone_unix_ns // 1_000_000
            late = 0 < invocation.deadline_unix_ms <= gone_unix_ms + _DEADLINE_SLACK_MS
            failure = Failure(TIMEOUT if late else EXIT_ERROR, 0)
        end_unix_ns = failure.end_unix_ns or gone_unix_ns
        self._on_failure(invocation.request_id, end_unix_ns, failure.error_type)
        if not invocation.span:
            return
        own = (invocation.scope, invocation.span)
        for scope, span in (*invocation.children.values(), own):
            item = spans.abandoned(span, end_unix_ns, failure.error_type)
            self._sink(invocation.resource, scope, item)
