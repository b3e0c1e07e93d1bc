"""Invocations that began and never ended, and those that never even began; pure.

What the runtime has left (`Left`) waits for the platform's word on how it went: the error's type
and the time. Without one it goes with what can be told from the deadline. Each is sent once.
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
    Sink = Callable[[bytes, bytes, bytes], None]
    # (request id, end in Unix nanoseconds, error type)
    Told = Callable[[str, int, str], None]

TIMEOUT, EXIT_ERROR = "timeout", "Runtime.ExitError"
# How long the platform's word is waited for: it is buffered for 25 ms and may be a second late.
HOLD_NS = 500_000_000
# The platform kills a runtime at its deadline; what dies closer to it than this timed out.
_DEADLINE_SLACK_MS = 100
_REMEMBERED = 64


class Left:
    """A request whose END has not come: what START and OPEN have said of it.

    `span` is the unfinished invocation span, b"" where it is not sampled; `children` are (scope,
    unfinished span) by span id.
    """

    __slots__ = (
        "children",
        "deadline_unix_ms",
        "request_id",
        "resource",
        "scope",
        "span",
        "warned",
    )

    def __init__(
        self, request_id: str, deadline_unix_ms: int, resource: bytes, scope: bytes, span: bytes
    ) -> None:
        self.request_id = request_id
        self.deadline_unix_ms = deadline_unix_ms
        self.resource = resource
        self.scope = scope
        self.span = span
        self.children: dict[bytes, tuple[bytes, bytes]] = {}
        # Whether the runtime has been told that its time is nearly up.
        self.warned = False

    def open(self, scope: bytes, span: bytes) -> None:
        """OPEN came: `span` is unfinished; the invocation's own takes the place of START's."""
        if not self.span:
            return
        number = spans.span_id(span)
        if number == spans.span_id(self.span):
            self.span = span
        elif number:
            self.children[number] = (scope, span)

    def closed(self, tagged: bytes) -> None:
        """Spans have ended after all."""
        for span in spans.items(tagged):
            self.children.pop(spans.span_id(span), None)


class Verdict:
    """How an invocation ended that did not end well; `end_unix_ns` 0 is not known."""

    __slots__ = ("end_unix_ns", "error_type")

    def __init__(self, error_type: str, end_unix_ns: int) -> None:
        self.error_type = error_type
        self.end_unix_ns = end_unix_ns


def verdict_of(event: Event) -> Verdict | None:
    """What ``platform.runtimeDone`` or ``platform.report`` says; None of a success."""
    status = text_of(event.record, "status")
    if status in ("", "success"):
        return None
    if status == TIMEOUT:
        return Verdict(TIMEOUT, event.time_unix_ns)
    return Verdict(text_of(event.record, "errorType") or EXIT_ERROR, event.time_unix_ns)


class Unfinished:
    """What has been left, until it can be told.

    Args:
        sink: takes a finished span.
        told: is told of each invocation, sampled or not.
    """

    def __init__(self, sink: Sink, told: Told) -> None:
        self._sink = sink
        self._told = told
        self._held: dict[str, tuple[Left, int]] = {}
        self._verdicts: dict[str, Verdict] = {}
        # Whether the platform will say how an invocation went.
        self.platform_tells = False
        # When to call `release`, 0 for never.
        self.release_at_ns = 0

    def started(self, request_id: str) -> None:
        """START came: what was said of the request id before was of an earlier attempt."""
        self._verdicts.pop(request_id, None)

    def ended(self, request_id: str) -> None:
        """END came, over another connection of a runtime that is still there."""
        self._verdicts.pop(request_id, None)
        if self._held.pop(request_id, None) is not None:
            self._schedule()

    def left(self, lefts: Iterable[Left], now_unix_ns: int) -> None:
        """A runtime has gone with these unfinished."""
        for left in lefts:
            verdict = self._verdicts.pop(left.request_id, None)
            if verdict is not None or not self.platform_tells:
                self._send(left, verdict, now_unix_ns)
            else:
                self._held[left.request_id] = (left, now_unix_ns)
        self._schedule()

    def platform_says(self, event: Event) -> None:
        """``platform.runtimeDone`` or ``platform.report`` came."""
        verdict, request_id = verdict_of(event), event.request_id
        if verdict is None or not request_id:
            return
        held = self._held.pop(request_id, None)
        if held is not None:
            self._send(held[0], verdict, held[1])
            self._schedule()
            return
        self._verdicts.setdefault(request_id, verdict)
        if len(self._verdicts) > _REMEMBERED:
            del self._verdicts[next(iter(self._verdicts))]

    def release(self, now_unix_ns: int, *, everything: bool = False, error_type: str = "") -> None:
        """Send what has been held long enough, or all; `error_type` is what is known of all."""
        for request_id, (left, since_unix_ns) in list(self._held.items()):
            if everything or now_unix_ns - since_unix_ns >= HOLD_NS:
                del self._held[request_id]
                verdict = Verdict(error_type, 0) if error_type else None
                self._send(left, verdict, since_unix_ns)
        self._schedule()

    def _schedule(self) -> None:
        since = [since_unix_ns for _, since_unix_ns in self._held.values()]
        self.release_at_ns = min(since) + HOLD_NS if since else 0

    def _send(self, left: Left, verdict: Verdict | None, gone_unix_ns: int) -> None:
        if verdict is None:
            late = 0 < left.deadline_unix_ms <= gone_unix_ns // 1_000_000 + _DEADLINE_SLACK_MS
            verdict = Verdict(TIMEOUT if late else EXIT_ERROR, 0)
        end_unix_ns = verdict.end_unix_ns or gone_unix_ns
        self._told(left.request_id, end_unix_ns, verdict.error_type)
        if not left.span:
            return
        for scope, span in (*left.children.values(), (left.scope, left.span)):
            item = spans.abandoned(span, end_unix_ns, verdict.error_type)
            self._sink(left.resource, scope, item)
