"""Frames of runtime processes to batched telemetry and ended invocations; pure."""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.forwarder import settings
from serverless_instrument.forwarder.batch import Batch, abandoned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.faas_metrics import FaasMetrics

_SIGNALS = {wire.SPANS: settings.TRACES, wire.LOGS: settings.LOGS, wire.METRICS: settings.METRICS}
# The platform kills a runtime at its deadline; what dies closer to it than this timed out.
_DEADLINE_SLACK_MS = 100


class Session:
    """What one connection has said so far."""

    __slots__ = ("greeted", "open_requests", "pid", "reader", "resource")

    def __init__(self) -> None:
        self.reader = wire.FrameReader()
        self.greeted = False
        self.pid = 0
        self.resource = b""
        # request id -> (deadline_unix_ms, scope, unfinished span)
        self.open_requests: dict[str, tuple[int, bytes, bytes]] = {}


class Intake:
    """Turns bytes of sessions into entries of `batch`; counts what it took.

    `faas` is told of invocations; None where metrics are not wanted.
    """

    __slots__ = ("batch", "faas", "frames")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.faas: FaasMetrics | None = None
        self.frames = 0

    def feed(self, session: Session, data: bytes) -> tuple[list[str], str]:
        """(request ids that ended, defect); a defect, "" if none, ends that connection only."""
        ended: list[str] = []
        try:
            for kind, payload in session.reader.feed(data):
                request_id = self._frame(session, kind, payload)
                self.frames += 1
                if request_id is not None:
                    ended.append(request_id)
        except wire.ProtocolError as error:
            return ended, str(error)
        return ended, ""

    def _frame(self, session: Session, kind: int, payload: bytes) -> str | None:
        if kind == wire.HELLO:
            # The first says who speaks; a later one, whose telemetry follows.
            session.pid, _, session.resource = wire.unpack_hello(payload)
            session.greeted = True
        elif not session.greeted:
            raise wire.ProtocolError("the first frame is not HELLO")
        elif kind in _SIGNALS:
            scope, items, count = wire.unpack_batch(payload)
            self.batch.add(_SIGNALS[kind], session.resource, scope, items, count)
        elif kind == wire.START:
            request_id, time_unix_ns, deadline_unix_ms, batch = wire.unpack_request(payload)
            scope, span, _ = wire.unpack_batch(batch)
            session.open_requests[request_id] = (deadline_unix_ms, scope, span)
            if self.faas is not None:
                facts = wire.request_facts(payload)
                self.faas.started(session.resource, request_id, facts, time_unix_ns)
        elif kind == wire.END:
            request_id, time_unix_ns, _, batch = wire.unpack_request(payload)
            scope, items, count = wire.unpack_batch(batch)
            if self.faas is not None:
                failed = wire.request_facts(payload) & wire.FACT_FAILED
                self.faas.ended(request_id, time_unix_ns, "error" if failed else "")
            session.open_requests.pop(request_id, None)
            self.batch.add(settings.TRACES, session.resource, scope, items, count)
            return request_id
        else:
            raise wire.ProtocolError(f"frame kind {kind} is not for the forwarder")
        return None

    def closed(self, session: Session, now_unix_ns: int) -> list[str]:
        """Send on what an ended connection left unfinished; the request ids concerned."""
        request_ids = list(session.open_requests)
        for request_id, (deadline_unix_ms, scope, span) in session.open_requests.items():
            late = 0 < deadline_unix_ms <= now_unix_ns // 1_000_000 + _DEADLINE_SLACK_MS
            error_type = "timeout" if late else "Runtime.ExitError"
            if self.faas is not None:
                self.faas.ended(request_id, now_unix_ns, error_type)
            if not span:
                continue
            item = abandoned(span, now_unix_ns, error_type)
            self.batch.add(settings.TRACES, session.resource, scope, item, 1)
        session.open_requests.clear()
        return request_ids
