"""The init phase, and a restore, as spans. Pure.

One span from the platform's start of the phase to its end, and one for each part of it: extensions
(the runtime is not started before the last has registered), the runtime (until our side of it is
loaded) and the function (the import of the handler's module). They are children of the first
invocation's span, unless init ran before there was one to wait for it.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.spans import Made
from serverless_instrument.forwarder.telemetry_api.platform_events import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.telemetry_api.platform_events import Event

INIT, RESTORE = "init", "restore"
# Events of a phase: its start, the end of the runtime's part, its end.
_STARTS = {"platform.initStart": INIT, "platform.restoreStart": RESTORE}
_DONE = {"platform.initRuntimeDone": INIT, "platform.restoreRuntimeDone": RESTORE}
_REPORTS = {"platform.initReport": INIT, "platform.restoreReport": RESTORE}
KINDS = (*_STARTS, *_DONE, *_REPORTS)
_AHEAD = ("provisioned-concurrency", "lambda-managed-instances", "snap-start")


class InitSpan:
    """Gathers what is known of a phase; makes its spans once.

    Args:
        random_bytes: source of ids, like `os.urandom`.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._phase = ""
        self._type = ""
        self._start_unix_ns = self._done_unix_ns = self._end_unix_ns = 0
        self._error_type = ""
        self._events: tuple[bytes, ...] = ()
        self._trace_id = self._root_id = b""
        self._taken = False
        # When this extension had registered and the runtime side was loaded; 0 is not known.
        self.registered_unix_ns = 0
        self.loaded_unix_ns = 0

    def record_platform_event(self, event: Event) -> None:
        """An event of one of `KINDS` came."""
        kind = event.kind
        if kind in _STARTS:
            if self._taken or self._start_unix_ns:
                self._start_anew()
            self._phase = _STARTS[kind]
            self._start_unix_ns = event.time_unix_ns
            self._type = text_of(event.record, "initializationType")
        elif kind in _DONE:
            self._done_unix_ns = event.time_unix_ns
            self._record_status(event)
        else:
            self._end_unix_ns = event.time_unix_ns
            self._record_status(event)

    def _start_anew(self) -> None:
        """Forget the phase before: another one begins."""
        self._start_unix_ns = self._done_unix_ns = self._end_unix_ns = 0
        self._error_type, self._events, self._taken = "", (), False
        self._trace_id = self._root_id = b""
        self.registered_unix_ns = self.loaded_unix_ns = 0

    def _record_status(self, event: Event) -> None:
        status = text_of(event.record, "status")
        if status not in ("", "success"):
            error_type = text_of(event.record, "errorType")
            fallback = "timeout" if status == "timeout" else "Runtime.ExitError"
            self._error_type = self._error_type or error_type or fallback

    def record_init_error(self, error_type: str, event: bytes, time_unix_ns: int) -> None:
        """INIT_ERROR came: the handler's module could not be loaded."""
        self._error_type, self._events = error_type, (event,) if event else ()
        self._done_unix_ns = self._done_unix_ns or time_unix_ns

    def set_parent(self, trace_id: bytes, root_id: bytes) -> None:
        """The first invocation has this root span; both are empty where it is not sampled."""
        if not self._trace_id:
            self._trace_id, self._root_id = trace_id, root_id

    def take_spans(self, *, last: bool = False) -> list[Made]:
        """The spans, once: when the first invocation's trace is known, or at the `last`.

        A phase that went well has spans only with an invocation: an environment that is never used
        has no trace.
        """
        end_unix_ns = self._end_unix_ns or self._done_unix_ns
        known = self._start_unix_ns or self.loaded_unix_ns
        if self._taken or not known or not end_unix_ns:
            return []
        if not self._trace_id and not (self._error_type and last):
            return []
        self._taken = True
        ahead = self._type in _AHEAD
        trace_id = self._random_bytes(16) if ahead or not self._trace_id else self._trace_id
        phase = self._phase or INIT
        attributes: dict[str, object] = {"faas.coldstart": True}
        if self._type:
            attributes["aws.lambda.initialization_type"] = self._type
        whole = Made(
            phase,
            trace_id,
            self._random_bytes(8),
            b"" if ahead else self._root_id,
            self._start_unix_ns or self.loaded_unix_ns,
            end_unix_ns,
            attributes,
            error_type=self._error_type,
            events=self._events,
        )
        return [whole, *self._parts(whole)]

    def _parts(self, whole: Made) -> list[Made]:
        # The platform cuts its times to milliseconds, and ours is taken where HELLO is read: a
        # module that is imported at once may seem to be done before it.
        done_unix_ns = self._done_unix_ns
        loaded_unix_ns = min(self.loaded_unix_ns, done_unix_ns or self.loaded_unix_ns)
        marks = [
            ("extensions", whole.start_unix_ns, self.registered_unix_ns),
            ("runtime", self.registered_unix_ns, loaded_unix_ns),
            ("function", loaded_unix_ns, done_unix_ns),
        ]
        return [
            Made(
                f"{whole.name} {part}",
                whole.trace_id,
                self._random_bytes(8),
                whole.span_id,
                began_unix_ns,
                ended_unix_ns,
                {},
                error_type=whole.error_type if part == "function" else "",
            )
            for part, began_unix_ns, ended_unix_ns in marks
            if whole.name == INIT and 0 < began_unix_ns <= ended_unix_ns
        ]
