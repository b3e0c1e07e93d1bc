"""What leaves of a runtime's frames: the forwarder's intake, with its rules, masks and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.intake import Session
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
from serverless_instrument.forwarder.patterns.otlp_masking import masking_of
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
from tests.forwarder import intakes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Leaving:
    """An intake with the settings `environ`; `said` is what it has reported, by subject."""

    def __init__(self, **environ: str) -> None:
        self.batch = Batch()
        self.said: dict[str, str] = {}
        report = self.said.__setitem__
        settings = LogSettings(environ, has_destination=True, takes_metrics=True)
        self.patterns = settings.rules
        self.patterns.report = report
        if settings.rules.masks:
            self.batch.masking = masking_of(environ, settings.rules, report)
        self.logs = LogIntake(settings, {}, self.batch, report)
        outcomes = Outcomes({}, self.batch, 0)
        self.intake = intakes.intake(self.batch, self.logs, outcomes)
        self.session = Session()

    def feed(self, *frames: bytes) -> None:
        assert self.intake.read_frames(self.session, b"".join(frames))[1] == ""

    def take_bodies(self) -> dict[str, bytes]:
        """The requests of each signal, joined."""
        bodies: dict[str, bytes] = {}
        self.logs.send_held_lines(8, last=True)
        for export in self.batch.take_exports():
            bodies[export.signal] = bodies.get(export.signal, b"") + export.body
        return bodies


def leaving(received: Iterable[bytes], **environ: str) -> dict[str, bytes]:
    """The requests, by signal, of all that came over each connection of a runtime."""
    forwarder = Leaving(**environ)
    for data in received:
        forwarder.session = Session()
        forwarder.feed(data)
    return forwarder.take_bodies()


def log_records(bodies: dict[str, bytes]) -> list[LogRecord]:
    return [
        record
        for group in ExportLogsServiceRequest.FromString(bodies.get("logs", b"")).resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]


def spans(bodies: dict[str, bytes]) -> list[Span]:
    return [
        span
        for group in ExportTraceServiceRequest.FromString(bodies.get("traces", b"")).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
