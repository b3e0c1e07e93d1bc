"""One invocation: its input, its clocks and its result."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field

SUCCESS, ERROR, FAILURE, TIMEOUT = "success", "error", "failure", "timeout"


@dataclass
class InvocationResult:
    """The answer for the caller of a function, and the figures of ``platform.report``.

    `LocalLambda.invoke` returns it as soon as the runtime has answered. The figures of the report
    are final when the invocation has ended, which `LocalLambda.settled` waits for.

    Attributes:
        request_id: AWS request id.
        response: the runtime's answer, or the error document, byte for byte.
        error: True where `response` is an error document.
        status: ``success``, ``error``, ``failure`` or ``timeout``, as in ``platform.report``.
        response_ms: from the invocation's start to the answer, in milliseconds.
        duration_ms: ``durationMs`` of the report; `response_ms` until then.
        billed_duration_ms: ``billedDurationMs`` of the report; None until then.
        init_duration_ms: ``initDurationMs`` of a cold start; None for a warm one.
        max_memory_used_mb: ``maxMemoryUsedMB`` of the report; None until then.
        error_type: the platform's or the function's error type.
        trace_id: the ``X-Amzn-Trace-Id`` that the runtime got.
    """

    request_id: str
    response: bytes
    error: bool
    status: str
    response_ms: float
    duration_ms: float
    trace_id: str
    billed_duration_ms: int | None = None
    init_duration_ms: float | None = None
    max_memory_used_mb: int | None = None
    error_type: str | None = None


@dataclass
class Invocation:
    """An invocation while the environment works on it.

    The clocks: `started_s` and `deadline_s` are `time.monotonic`, the others Unix time.
    """

    event: bytes
    function_arn: str
    trace_id: str
    client_context: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_s: float = 0
    started_unix_ns: int = 0
    deadline_s: float = 0
    deadline_unix_ms: int = 0
    response: bytes | None = None
    is_error: bool = False
    error_type: str | None = None
    responded_s: float | None = None

    def start_clock(self, timeout_s: float) -> None:
        """Set the start and the deadline, `timeout_s` seconds from now."""
        self.started_s = time.monotonic()
        self.started_unix_ns = time.time_ns()
        self.deadline_s = self.started_s + timeout_s
        self.deadline_unix_ms = self.started_unix_ns // 1_000_000 + round(timeout_s * 1000)

    def record_response(
        self, body: bytes, *, is_error: bool, error_type: str | None = None
    ) -> None:
        """Record the answer and the time of its arrival."""
        self.response = body
        self.is_error = is_error
        self.error_type = error_type
        self.responded_s = time.monotonic()

    def elapsed_ms(self) -> float:
        """Milliseconds since its start."""
        return (time.monotonic() - self.started_s) * 1000


def new_trace_id(time_unix_s: float) -> str:
    """A fresh trace header that says "not sampled", as Lambda sends it with tracing off.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    root = f"1-{int(time_unix_s):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"
