"""Frames of runtime processes to batched telemetry and ended invocations; pure."""

from __future__ import annotations

from serverless_instrument import wire, wire_payloads
from serverless_instrument.forwarder.codec.span_identity import SpanIdentity
from serverless_instrument.forwarder.destinations.destination import LOGS, METRICS, TRACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics
    from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
    from serverless_instrument.forwarder.outcomes.unfinished_invocations import OpenInvocation
    from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake


class Session:
    """What one connection has said so far.

    Attributes:
        peer_pid: the process as the kernel tells, 0 where it does not.
        pid: the process as HELLO tells, 0 before it.
        greeted: whether HELLO has come.
        resource: the function's, encoded, as the last HELLO tells.
        open_invocations: by request id, those whose END has not come.
    """

    __slots__ = ("greeted", "open_invocations", "peer_pid", "pid", "reader", "resource")

    def __init__(self, peer_pid: int = 0) -> None:
        self.peer_pid = peer_pid
        self.reader = wire.FrameReader()
        self.greeted = False
        self.pid = 0
        self.resource = b""
        self.open_invocations: dict[str, OpenInvocation] = {}


class Intake:
    """Turns bytes of sessions into entries of the batch.

    Args:
        batch: takes telemetry, and counts frames.
        logs: is told what it needs to know of the platform's lines.
        outcomes: is told of invocations, for those that never end.
        metrics: is told of invocations; None where metrics are not wanted.
    """

    __slots__ = ("_batch", "_logs", "_metrics", "_outcomes")

    def __init__(
        self, batch: Batch, logs: LogIntake, outcomes: Outcomes, metrics: FunctionMetrics | None
    ) -> None:
        self._batch = batch
        self._logs = logs
        self._outcomes = outcomes
        self._metrics = metrics

    def read_frames(self, session: Session, data: bytes) -> tuple[list[str], str]:
        """(request ids that ended, defect); a defect, "" if none, ends that connection only."""
        ended: list[str] = []
        try:
            for kind, payload in session.reader.feed(data):
                request_id = self._read_frame(session, kind, payload)
                self._batch.frames += 1
                if request_id is not None:
                    ended.append(request_id)
        except wire.ProtocolError as error:
            return ended, str(error)
        return ended, ""

    def _read_frame(self, session: Session, kind: int, payload: bytes) -> str | None:
        """The request id of an END, None for other kinds."""
        if kind == wire.HELLO:
            self._read_hello(session, payload)
            return None
        if not session.greeted:
            raise wire.ProtocolError("the first frame is not HELLO")
        if kind == wire.END:
            return self._read_end(session, payload)
        read = _READERS.get(kind)
        if read is None:
            raise wire.ProtocolError(f"frame kind {kind} is not for the forwarder")
        read(self, session, payload)
        return None

    def _read_hello(self, session: Session, payload: bytes) -> None:
        # The first names the process; a later one changes the resource of what follows.
        session.pid, _, session.resource = wire_payloads.unpack_hello(payload)
        session.greeted = True
        self._logs.record_hello(session.resource)
        self._outcomes.record_hello(session.resource)
        if self._metrics is not None:
            self._metrics.record_hello()

    def _read_logs(self, session: Session, payload: bytes) -> None:
        self._batch.add_items(LOGS, session.resource, *wire_payloads.unpack_batch(payload))

    def _read_metrics(self, session: Session, payload: bytes) -> None:
        self._batch.add_items(METRICS, session.resource, *wire_payloads.unpack_batch(payload))

    def _read_spans(self, session: Session, payload: bytes) -> None:
        scope, items, count = wire_payloads.unpack_batch(payload)
        self._batch.add_items(TRACES, session.resource, scope, items, count)
        for invocation in session.open_invocations.values():
            if invocation.children:
                invocation.forget_ended_spans(items)

    def _read_lines(self, session: Session, payload: bytes) -> None:  # noqa: ARG002 - as the others
        self._logs.record_announcement(*wire_payloads.unpack_lines(payload))

    def _read_text(self, session: Session, payload: bytes) -> None:
        self._logs.add_captured(wire_payloads.TextPayload(wire.TEXT, payload), session.resource)

    def _read_record(self, session: Session, payload: bytes) -> None:
        self._logs.add_captured(wire_payloads.TextPayload(wire.RECORD, payload), session.resource)

    def _read_open(self, session: Session, payload: bytes) -> None:
        request = wire_payloads.RequestPayload(payload)
        scope, span, _ = wire_payloads.unpack_batch(request.batch)
        if request.request_id in session.open_invocations:
            session.open_invocations[request.request_id].record_open_span(scope, span)

    def _read_dropped(self, session: Session, payload: bytes) -> None:  # noqa: ARG002 - as the others
        count, kind = wire_payloads.unpack_dropped(payload)
        if kind == wire.METRICS:
            self._batch.dropped_measurements += count
        else:
            self._batch.dropped_frames += count

    def _read_init_error(self, session: Session, payload: bytes) -> None:  # noqa: ARG002 - as the others
        request = wire_payloads.RequestPayload(payload)
        error_type, event = request.request_id, wire_payloads.unpack_batch(request.batch)[1]
        self._outcomes.record_init_error(error_type, event, request.time_unix_ns)
        if self._metrics is not None:
            self._metrics.record_init_error(error_type)

    def _read_end(self, session: Session, payload: bytes) -> str:
        request = wire_payloads.RequestPayload(payload)
        scope, items, count = wire_payloads.unpack_batch(request.batch)
        session.open_invocations.pop(request.request_id, None)
        self._logs.record_end(request.request_id, request.time_unix_ns)
        self._outcomes.record_end(request.request_id)
        if self._metrics is not None:
            self._metrics.record_end(session.peer_pid, request)
        self._batch.add_items(TRACES, session.resource, scope, items, count)
        return request.request_id

    def _read_start(self, session: Session, payload: bytes) -> None:
        request = wire_payloads.RequestPayload(payload)
        request_id, resource = request.request_id, session.resource
        scope, span, _ = wire_payloads.unpack_batch(request.batch)
        identity = SpanIdentity(span)
        self._logs.record_start(request_id, request.time_unix_ns, resource, identity)
        session.open_invocations[request_id] = self._outcomes.record_start(
            request, resource, scope, span, identity
        )
        if self._metrics is not None:
            self._metrics.record_start(session.peer_pid, resource, request)

    def close_session(self, session: Session, now_unix_ns: int) -> list[str]:
        """Hand on what an ended connection left unfinished; the request ids concerned."""
        request_ids = list(session.open_invocations)
        if request_ids:
            self._outcomes.record_runtime_exit(session.open_invocations.values(), now_unix_ns)
            if self._metrics is not None:
                self._metrics.record_runtime_exit(request_ids)
        session.open_invocations.clear()
        return request_ids


_READERS: dict[int, Callable[[Intake, Session, bytes], None]] = {
    wire.SPANS: Intake._read_spans,
    wire.LOGS: Intake._read_logs,
    wire.METRICS: Intake._read_metrics,
    wire.START: Intake._read_start,
    wire.LINES: Intake._read_lines,
    wire.OPEN: Intake._read_open,
    wire.DROPPED: Intake._read_dropped,
    wire.INIT_ERROR: Intake._read_init_error,
    wire.TEXT: Intake._read_text,
    wire.RECORD: Intake._read_record,
}
