"""Invocations that ended before the runtime said START: init failed, or took too long. Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec.spans import SERVER, Made, parent_of
from serverless_instrument.forwarder.outcomes.unfinished_invocations import (
    EXIT_ERROR,
    TIMEOUT,
    failure_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

_MOST_REMEMBERED = 64
# What the platform reports where it only knows that the process is gone.
_VAGUE = frozenset(("", EXIT_ERROR, "Runtime.Unknown", "Unhandled"))


class PendingInvocation:
    """An invocation for which START has not come; `start_unix_ns` is that of INVOKE."""

    __slots__ = ("arn", "start_unix_ns", "trace_header")

    def __init__(self, arn: str, trace_header: str, start_unix_ns: int) -> None:
        self.arn = arn
        self.trace_header = trace_header
        self.start_unix_ns = start_unix_ns


class NeverStartedInvocations:
    """Makes the span of an invocation that failed before the runtime said START.

    Args:
        name: the function's, which is the span's.
        random_bytes: source of ids, like `os.urandom`.
    """

    def __init__(self, name: str, random_bytes: Callable[[int], bytes]) -> None:
        self._name = name
        self._random_bytes = random_bytes
        self._pending: dict[str, PendingInvocation] = {}
        # START may come before INVOKE does, and before ``platform.start`` as a rule.
        self._started: dict[str, None] = {}
        self._init_error: tuple[str, tuple[bytes, ...]] = ("", ())

    def record_invoke(self, request_id: str, invocation: PendingInvocation) -> None:
        """INVOKE came. An invocation that is still pending is assumed to have succeeded."""
        self._pending.clear()
        if request_id and request_id not in self._started:
            self._pending[request_id] = invocation

    def record_platform_start(self, request_id: str, invocation: PendingInvocation) -> None:
        """``platform.start`` came. There may be no INVOKE while init runs for an invocation."""
        if request_id and request_id not in self._started:
            self._pending.setdefault(request_id, invocation)

    def record_start(self, request_id: str) -> None:
        """START came."""
        self._pending.pop(request_id, None)
        self._started[request_id] = None
        if len(self._started) > _MOST_REMEMBERED:
            del self._started[next(iter(self._started))]

    def record_init_error(self, error_type: str, event: bytes) -> None:
        """INIT_ERROR came."""
        self._init_error = (error_type, (event,) if event else ())

    def record_platform_end(self, event: Event) -> Made | None:
        """``platform.runtimeDone`` or ``platform.report`` came; the span of a pending failure."""
        failure = failure_of(event)
        if event.request_id not in self._pending:
            return None
        invocation = self._pending.pop(event.request_id)
        if failure is None:
            return None
        return self._made(event.request_id, invocation, failure.error_type, failure.end_unix_ns)

    def record_shutdown(self, reason: str, now_unix_ns: int) -> list[Made]:
        """SHUTDOWN came for `reason`; the spans of pending invocations that it says failed."""
        reason = reason.lower()
        if "timeout" in reason:
            error_type = TIMEOUT
        elif "fail" in reason or self._init_error[0]:
            error_type = EXIT_ERROR
        else:
            return []
        pending, self._pending = self._pending, {}
        return [
            self._made(request_id, invocation, error_type, now_unix_ns)
            for request_id, invocation in pending.items()
        ]

    def _made(
        self, request_id: str, invocation: PendingInvocation, error_type: str, end_unix_ns: int
    ) -> Made:
        own_type, events = self._init_error
        if error_type in _VAGUE and own_type:
            error_type = own_type
        trace_id, parent_id = parent_of(invocation.trace_header)
        attributes: dict[str, object] = {
            "faas.trigger": "other",
            "faas.coldstart": True,
            "faas.invocation_id": request_id,
        }
        if invocation.arn:
            attributes["aws.lambda.invoked_arn"] = invocation.arn
            attributes["cloud.resource_id"] = invocation.arn
        return Made(
            self._name or "invocation",
            trace_id or self._random_bytes(16),
            self._random_bytes(8),
            parent_id,
            invocation.start_unix_ns,
            end_unix_ns or invocation.start_unix_ns,
            attributes,
            kind=SERVER,
            error_type=error_type,
            events=events,
            remote_parent=bool(parent_id),
        )
