"""Frames of runtime processes to batched telemetry and ended invocations; pure."""

from __future__ import annotations

from serverless_instrument import wire, wire_payloads
from serverless_instrument.forwarder.destinations import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.faas_metrics.enhanced_metrics import EnhancedMetrics
    from serverless_instrument.forwarder.faas_metrics.proc_stats import Reader
    from serverless_instrument.forwarder.faas_metrics.recorder import FaasMetrics
    from serverless_instrument.forwarder.outcomes.outcomes import Endings
    from serverless_instrument.forwarder.outcomes.unfinished_invocations import Left
    from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake


class Session:
    """What one connection has said so far; `peer_pid` is the process, 0 where it is not seen."""

    __slots__ = ("greeted", "open_requests", "peer_pid", "pid", "reader", "resource")

    def __init__(self, peer_pid: int = 0) -> None:
        self.peer_pid = peer_pid
        self.reader = wire.FrameReader()
        self.greeted = False
        self.pid = 0
        self.resource = b""
        self.open_requests: dict[str, Left] = {}


class Intake:
    """Turns bytes of sessions into entries of `batch`; counts what it took.

    `logs` is told what it needs for the platform's lines, `endings` for what never ends, `faas` for
    metrics of invocations, after `reader` of the process whose invocation it is, and `enhanced`.
    They are loaded after the first /next and before the first frame is read; None where metrics are
    not wanted.
    """

    __slots__ = ("batch", "endings", "enhanced", "faas", "frames", "logs", "reader")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.logs: LogIntake | None = None
        self.endings: Endings | None = None
        self.faas: FaasMetrics | None = None
        self.enhanced: EnhancedMetrics | None = None
        self.reader: Reader | None = None
        self.frames = 0

    def feed(self, session: Session, data: bytes) -> tuple[list[str], str]:
        """(request ids that ended, defect); a defect, "" if none, ends that connection only."""
        ended: list[str] = []
        try:
            for kind, payload in session.reader.feed(data):
                request_id = self._frame(session, kind, payload)
                self.frames += 1
                self.batch.frames += 1
                if request_id is not None:
                    ended.append(request_id)
        except wire.ProtocolError as error:
            return ended, str(error)
        return ended, ""

    def _frame(self, session: Session, kind: int, payload: bytes) -> str | None:
        """What one frame says; the request id of an END."""
        if kind == wire.HELLO:
            self._hello(session, payload)
            return None
        if not session.greeted:
            raise wire.ProtocolError("the first frame is not HELLO")
        if kind == wire.END:
            return self._end(session, payload)
        take = _TAKERS.get(kind)
        if take is None:
            raise wire.ProtocolError(f"frame kind {kind} is not for the forwarder")
        take(self, session, payload)
        return None

    def _hello(self, session: Session, payload: bytes) -> None:
        # The first says who speaks; a later one, whose telemetry follows.
        session.pid, _, session.resource = wire_payloads.unpack_hello(payload)
        session.greeted = True
        if self.logs is not None:
            self.logs.greeted(session.resource)
        if self.endings is not None:
            self.endings.greeted(session.resource)
        if self.enhanced is not None:
            self.enhanced.greeted()

    def _logs(self, session: Session, payload: bytes) -> None:
        self.batch.add(settings.LOGS, session.resource, *wire_payloads.unpack_batch(payload))

    def _metrics(self, session: Session, payload: bytes) -> None:
        self.batch.add(settings.METRICS, session.resource, *wire_payloads.unpack_batch(payload))

    def _spans(self, session: Session, payload: bytes) -> None:
        scope, items, count = wire_payloads.unpack_batch(payload)
        self.batch.add(settings.TRACES, session.resource, scope, items, count)
        for left in session.open_requests.values():
            if left.children:
                left.closed(items)

    def _lines(self, session: Session, payload: bytes) -> None:  # noqa: ARG002 - as the others
        if self.logs is not None:
            self.logs.sent(*wire_payloads.unpack_lines(payload))

    def _emf(self, session: Session, payload: bytes) -> None:
        text, time_unix_ns = wire_payloads.unpack_emf(payload)
        if self.logs is not None:
            self.logs.emf_line(text, time_unix_ns, session.resource)

    def _open(self, session: Session, payload: bytes) -> None:
        request = wire_payloads.RequestPayload(payload)
        scope, span, _ = wire_payloads.unpack_batch(request.batch)
        if request.request_id in session.open_requests:
            session.open_requests[request.request_id].open(scope, span)

    def _dropped(self, session: Session, payload: bytes) -> None:  # noqa: ARG002 - as the others
        count, kind = wire_payloads.unpack_dropped(payload)
        if kind == wire.METRICS:
            self.batch.dropped_measurements += count
        else:
            self.batch.dropped_frames += count

    def _init_error(self, session: Session, payload: bytes) -> None:  # noqa: ARG002 - as the others
        request = wire_payloads.RequestPayload(payload)
        error_type, event = request.request_id, wire_payloads.unpack_batch(request.batch)[1]
        if self.endings is not None:
            self.endings.init_failed(error_type, event, request.time_unix_ns)
        if self.enhanced is not None:
            self.enhanced.init_failed(error_type)

    def _end(self, session: Session, payload: bytes) -> str:
        request = wire_payloads.RequestPayload(payload)
        request_id, time_unix_ns, facts = request.request_id, request.time_unix_ns, request.facts
        scope, items, count = wire_payloads.unpack_batch(request.batch)
        session.open_requests.pop(request_id, None)
        if self.logs is not None:
            self.logs.ended(request_id, time_unix_ns)
        if self.endings is not None:
            self.endings.ended(request_id)
        if self.reader is not None:
            self._look()
            self.reader.ends(session.peer_pid, request.cpu_ns)
        if self.enhanced is not None:
            self.enhanced.ended(request_id, facts, request.failed_items, time_unix_ns)
        if self.faas is not None:
            self.faas.ended(request_id, time_unix_ns, "error" if facts & wire.FACT_FAILED else "")
        self.batch.add(settings.TRACES, session.resource, scope, items, count)
        return request_id

    def _start(self, session: Session, payload: bytes) -> None:
        request = wire_payloads.RequestPayload(payload)
        request_id, time_unix_ns = request.request_id, request.time_unix_ns
        deadline_unix_ms = request.deadline_unix_ms
        scope, span, _ = wire_payloads.unpack_batch(request.batch)
        if self.logs is not None:
            self.logs.started(request_id, time_unix_ns, session.resource, span)
        if self.endings is not None:
            session.open_requests[request_id] = self.endings.started(
                request_id, deadline_unix_ms, session.resource, scope, span
            )
        if self.reader is not None:
            self._look()
            self.reader.begins(session.peer_pid, request.cpu_ns)
        if self.enhanced is not None:
            left_s = deadline_unix_ms / 1000 - time_unix_ns / 1e9 if deadline_unix_ms else 0.0
            self.enhanced.began(request_id, session.peer_pid, left_s)
        if self.faas is not None:
            self.faas.started(session.resource, request_id, request.facts, time_unix_ns)

    def _look(self) -> None:
        """See what those that are over have used, before the reader turns to another process."""
        if self.faas is not None:
            self.faas.look()

    def closed(self, session: Session, now_unix_ns: int) -> list[str]:
        """Hand on what an ended connection left unfinished; the request ids concerned."""
        request_ids = list(session.open_requests)
        if self.endings is not None and request_ids:
            self.endings.left(session.open_requests.values(), now_unix_ns)
        if self.enhanced is not None:
            for request_id in request_ids:
                self.enhanced.left(request_id)
        session.open_requests.clear()
        return request_ids


_TAKERS: dict[int, Callable[[Intake, Session, bytes], None]] = {
    wire.SPANS: Intake._spans,
    wire.LOGS: Intake._logs,
    wire.METRICS: Intake._metrics,
    wire.START: Intake._start,
    wire.LINES: Intake._lines,
    wire.OPEN: Intake._open,
    wire.DROPPED: Intake._dropped,
    wire.INIT_ERROR: Intake._init_error,
    wire.EMF: Intake._emf,
}
