"""Which invocation a line belongs to. Pure.

A function record names no request. Where one invocation runs at a time it is the one whose
``platform.start`` came last; lines before the first belong to init, and to no trace. Where they
overlap it is the only one that ran at the time, if one alone did. A line may name its request
itself: the runtime client's text format and JSON lines do.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.json_text import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

# The platform tells times in milliseconds.
_TICK_NS = 1_000_000
_MOST_REMEMBERED = 64
# Where a JSON line names its invocation: the runtime client, Powertools, and others.
_REQUEST_ID_KEYS = ("requestId", "function_request_id", "aws_request_id", "AWSRequestId")


class Context:
    """Where records of one invocation belong: `trace_id` and `span_id` are b"" without a span.

    Times are Unix nanoseconds; `ended_unix_ns` is 0 until END.
    """

    __slots__ = ("ended_unix_ns", "resource", "span_id", "started_unix_ns", "trace_id")

    def __init__(
        self, trace_id: bytes, span_id: bytes, resource: bytes, started_unix_ns: int
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.resource = resource
        self.started_unix_ns = started_unix_ns
        self.ended_unix_ns = 0


class InvocationContexts:
    """The latest invocations by request id, and the one that the platform started last.

    `concurrent` tells that invocations overlap, as on Managed Instances.

    Attributes:
        platform_request_id: that of the last ``platform.start``, "" before it and in an init phase.
    """

    __slots__ = ("_concurrent", "_contexts", "platform_request_id")

    def __init__(self, *, concurrent: bool = False) -> None:
        self._concurrent = concurrent
        self._contexts: dict[str, Context] = {}
        self.platform_request_id = ""

    def context_of(self, request_id: str) -> Context | None:
        """What START said of a request, if it did lately."""
        return self._contexts.get(request_id)

    def record_start(self, request_id: str, context: Context) -> None:
        """START came."""
        self._contexts.pop(request_id, None)
        self._contexts[request_id] = context
        if len(self._contexts) > _MOST_REMEMBERED:
            del self._contexts[next(iter(self._contexts))]

    def record_end(self, request_id: str, time_unix_ns: int) -> None:
        """END came."""
        if request_id in self._contexts:
            self._contexts[request_id].ended_unix_ns = time_unix_ns

    def request_of(self, event: Event, text: str) -> str:
        """The request id that a line belongs to, "" for none; `text` is the line of `event`."""
        current = self.platform_request_id
        named = _named_request(event.record, text)
        if named and (self._concurrent or named in self._contexts or named == current):
            return named
        if self._concurrent:
            return self._only_one_at(event.time_unix_ns)
        if current:
            return current
        # No platform.start yet, perhaps none at all: the last START before the line.
        for request_id in reversed(self._contexts):
            if 0 < self._contexts[request_id].started_unix_ns <= event.time_unix_ns:
                return request_id
        return ""

    def _only_one_at(self, time_unix_ns: int) -> str:
        """The invocation that ran then, "" where there were several, or none."""
        running = [
            request_id
            for request_id, context in self._contexts.items()
            if context.started_unix_ns < time_unix_ns + _TICK_NS
            and not 0 < context.ended_unix_ns < time_unix_ns
        ]
        return running[0] if len(running) == 1 else ""


def _named_request(record: dict[str, object] | str, text: str) -> str:
    """The request id that a line names itself, "" if none."""
    fields: object = record
    if text.startswith("[") and isinstance(record, str):
        # [LEVEL]\ttime\trequest id\tmessage, as the runtime client writes text.
        parts = text.split("\t", 3)
        return parts[2] if len(parts) == 4 else ""
    if text.startswith("{") and isinstance(record, str):
        # Managed Instances hand over JSON lines as they are.
        try:
            fields = loads(text)
        except ValueError:
            return ""
    if isinstance(fields, dict):
        for key in _REQUEST_ID_KEYS:
            if isinstance(fields.get(key), str):
                return str(fields[key])
    return ""
