"""Invocations that the function never saw: init failed, or took all the time; pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec.spans import SERVER, Made, parent_of
from serverless_instrument.forwarder.outcomes.unfinished_invocations import (
    EXIT_ERROR,
    TIMEOUT,
    verdict_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

_REMEMBERED = 64
# What the platform says where it knows no more than that the process is gone.
_VAGUE = frozenset(("", EXIT_ERROR, "Runtime.Unknown", "Unhandled"))


class Invoked:
    """An INVOKE for which no START has come."""

    __slots__ = ("arn", "start_unix_ns", "trace_header")

    def __init__(self, arn: str, trace_header: str, start_unix_ns: int) -> None:
        self.arn = arn
        self.trace_header = trace_header
        self.start_unix_ns = start_unix_ns


class NeverBegan:
    """Tells an invocation that ended badly before the runtime said START.

    Args:
        name: the function's, which is the span's.
        random_bytes: source of ids, like `os.urandom`.
    """

    def __init__(self, name: str, random_bytes: Callable[[int], bytes]) -> None:
        self._name = name
        self._random_bytes = random_bytes
        self._pending: dict[str, Invoked] = {}
        # START may come before INVOKE does, and before ``platform.start`` as a rule.
        self._started: dict[str, None] = {}
        self._init_error: tuple[str, tuple[bytes, ...]] = ("", ())

    def invoked(self, request_id: str, invoked: Invoked) -> None:
        """INVOKE came. One that is still pending ended without a word against it."""
        self._pending.clear()
        if request_id and request_id not in self._started:
            self._pending[request_id] = invoked

    def platform_started(self, request_id: str, invoked: Invoked) -> None:
        """``platform.start`` came: of an invocation for which init runs there may be no INVOKE."""
        if request_id and request_id not in self._started:
            self._pending.setdefault(request_id, invoked)

    def started(self, request_id: str) -> None:
        """START came."""
        self._pending.pop(request_id, None)
        self._started[request_id] = None
        if len(self._started) > _REMEMBERED:
            del self._started[next(iter(self._started))]

    def init_error(self, error_type: str, event: bytes) -> None:
        """INIT_ERROR came."""
        self._init_error = (error_type, (event,) if event else ())

    def platform_says(self, event: Event) -> Made | None:
        """``platform.runtimeDone`` or ``platform.report`` came; the span of a bad end."""
        verdict = verdict_of(event)
        if event.request_id not in self._pending:
            return None
        invoked = self._pending.pop(event.request_id)
        if verdict is None:
            return None
        return self._made(event.request_id, invoked, verdict.error_type, verdict.end_unix_ns)

    def shut_down(self, reason: str, now_unix_ns: int) -> list[Made]:
        """SHUTDOWN came while an invocation was pending; `reason` is compared loosely."""
        reason = reason.lower()
        if "timeout" in reason:
            error_type = TIMEOUT
        elif "fail" in reason or self._init_error[0]:
            error_type = EXIT_ERROR
        else:
            return []
        pending, self._pending = self._pending, {}
        return [
            self._made(request_id, invoked, error_type, now_unix_ns)
            for request_id, invoked in pending.items()
        ]

    def _made(self, request_id: str, invoked: Invoked, error_type: str, end_unix_ns: int) -> Made:
        own_type, events = self._init_error
        if error_type in _VAGUE and own_type:
            error_type = own_type
        trace_id, parent_id = parent_of(invoked.trace_header)
        attributes: dict[str, object] = {
            "faas.trigger": "other",
            "faas.coldstart": True,
            "faas.invocation_id": request_id,
        }
        if invoked.arn:
            attributes["aws.lambda.invoked_arn"] = invoked.arn
            attributes["cloud.resource_id"] = invoked.arn
        return Made(
            self._name or "invocation",
            trace_id or self._random_bytes(16),
            self._random_bytes(8),
            parent_id,
            invoked.start_unix_ns,
            end_unix_ns or invoked.start_unix_ns,
            attributes,
            kind=SERVER,
            error_type=error_type,
            events=events,
            remote_parent=bool(parent_id),
        )
