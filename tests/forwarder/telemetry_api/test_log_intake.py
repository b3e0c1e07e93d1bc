"""Frames and platform events to records at the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.intake import Session
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
from serverless_instrument.forwarder.telemetry_api.platform_events import Event
from tests.forwarder import encoded, intakes

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

NAME = {"AWS_LAMBDA_FUNCTION_NAME": "shop"}


class Logs:
    """A log intake behind an intake of frames, one runtime connected, and what comes out."""

    def __init__(self, **environ: str) -> None:
        self.batch = Batch()
        self.said: dict[str, str] = {}
        settings = LogSettings(environ, has_destination=True)
        assert settings.warnings == []
        self.logs = LogIntake(settings, NAME, self.batch, self.said.__setitem__)
        self._intake, self._session = intakes.intake(self.batch, self.logs), Session()

    def feed(self, *frames: bytes) -> None:
        assert self._intake.read_frames(self._session, b"".join(frames))[1] == ""

    def line(self, record: str | dict[str, object], kind: str = "function") -> None:
        self.logs.add_line(Event(kind, 7, record), 0.0)

    def found(self) -> list[tuple[str, str, LogRecord]]:
        """(service, scope, record) of everything, held lines too."""
        self.logs.send_held_lines(8, last=True)
        return [
            (group.resource.attributes[0].value.string_value, scope.scope.name, record)
            for export in self.batch.take_exports()
            if export.signal == "logs"
            for group in ExportLogsServiceRequest.FromString(export.body).resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]

    def bodies(self) -> list[str]:
        return [record.body.string_value for _, _, record in self.found()]


def lines(request_id: str, *texts: str) -> bytes:
    digests = [wire.line_digest(text.encode()) for text in texts]
    return wire.frame(wire.LINES, wire.pack_lines(request_id, digests))


def test_a_line_from_elsewhere_stands_under_the_invocations_span() -> None:
    logs = Logs()
    logs.feed(encoded.hello(), encoded.start("a"), lines("a", "captured"))
    logs.logs.record_platform_start(Event(platform_events.START, 0, {"requestId": "a"}))
    logs.line("captured\n")
    logs.line("from C\n")
    ((service, scope, record),) = logs.found()
    assert (service, scope) == ("checkout", "serverless_instrument.function")
    assert (record.trace_id, record.span_id) == (encoded.TRACE_ID, bytes(7) + b"\x01")
    assert record.body.string_value == "from C"
    assert record.attributes[0].value.string_value == "a"


def test_lines_of_init_have_the_functions_resource_and_no_trace() -> None:
    logs = Logs()
    logs.line("early")
    ((service, _, record),) = logs.found()
    assert (service, record.trace_id) == ("shop", b"")
    logs.feed(encoded.hello())
    logs.line("later")
    assert [service for service, _, _ in logs.found()] == ["checkout"]


@pytest.mark.parametrize("span", [b"", b"\xff\xff", b"\x12\x01"])
def test_a_start_without_a_readable_span(span: bytes) -> None:
    logs = Logs()
    request = wire.pack_request("a", 5, 0, wire.pack_batch(b"", span, 1))
    logs.feed(encoded.hello(), wire.frame(wire.START, request))
    logs.logs.record_platform_start(Event(platform_events.START, 0, {"requestId": "a"}))
    logs.line("x")
    ((_, _, record),) = logs.found()
    assert (record.trace_id, record.attributes[0].value.string_value) == (b"", "a")


def test_a_line_that_is_due_leaves_alone() -> None:
    logs = Logs()
    logs.line("x")
    logs.logs.send_due_lines(logs.logs.release_at_s, 8)
    assert logs.batch
    assert logs.logs.release_at_s == float("inf")


def test_rules() -> None:
    logs = Logs(
        SERVERLESS_INSTRUMENT_LOGS_LEVEL="info",
        SERVERLESS_INSTRUMENT_LOGS_EXCLUDE="health",
        SERVERLESS_INSTRUMENT_MASK=r'\d{4};;"pin": "\w+"=>"pin": "?"',
    )
    for text in ("[DEBUG] x", "health", "card 1234", '{"message": "card 1234", "pin": "ab"}'):
        logs.line(text)
    plain, structured = (record for _, _, record in logs.found())
    assert plain.body.string_value == "card ***"
    assert structured.body.string_value == '{"message": "card ***", "pin": "?"}'
    assert [pair.value.string_value for pair in structured.attributes] == ["card ***", "?"]


def test_switched_off_nothing_leaves() -> None:
    logs = Logs(
        SERVERLESS_INSTRUMENT_LOGS="off",
        SERVERLESS_INSTRUMENT_PLATFORM_LOGS="true",
        SERVERLESS_INSTRUMENT_DEV_MODE="true",
    )
    logs.feed(encoded.hello(), encoded.start("a"))
    logs.line("x")
    logs.logs.send_platform_event(Event(platform_events.START, 0, {"requestId": "a"}))
    logs.logs.record_dropped_lines(Event(platform_events.LOGS_DROPPED, 0, {"droppedRecords": 1}))
    assert logs.found() == []


def test_our_own_lines_do_not_come_back() -> None:
    logs = Logs()
    logs.line("serverless-instrument: the backend is out of reach", "extension")
    logs.line("from another", "extension")
    logs.line("serverless-instrument: printed by the function")
    assert logs.bodies() == ["from another", "serverless-instrument: printed by the function"]


def test_lines_that_the_platform_lost_are_counted_and_said() -> None:
    logs = Logs()
    record: dict[str, object] = {"droppedRecords": 3, "droppedBytes": 99, "reason": "too\nmany"}
    for _ in range(2):
        logs.logs.record_dropped_lines(Event(platform_events.LOGS_DROPPED, 7, record))
    assert logs.batch.dropped_lines == 6
    said = "the platform dropped 3 log records: too many"
    assert logs.said == {"platform.logsDropped": said}
    assert [record.severity_number for _, _, record in logs.found()] == [13, 13]


def test_a_line_that_cannot_be_sent_costs_no_other() -> None:
    logs = Logs(SERVERLESS_INSTRUMENT_MASK="x")
    logs.line('{"a": ' * 700 + "1" + "}" * 700)
    logs.line("kept")
    assert logs.bodies()[-1] == "kept"


def test_where_nothing_is_posted_nothing_is_remembered() -> None:
    logs = Logs()
    logs.logs.expect_no_lines()
    logs.feed(encoded.hello(), lines("a", "captured"))
    logs.line("captured")
    assert logs.bodies() == ["captured"]


EVENTS = [
    Event(platform_events.INIT_START, 1, {"runtimeVersion": "python:3.13"}),
    Event(platform_events.START, 2, {"requestId": "a", "version": "3"}),
    Event(platform_events.RUNTIME_DONE, 3, {"requestId": "a", "status": "success"}),
    Event(
        platform_events.REPORT,
        4,
        {
            "requestId": "a",
            "status": "timeout",
            "errorType": "Sandbox.Timedout",
            "metrics": {"durationMs": 1.25, "billedDurationMs": 2, "memorySizeMB": "?"},
        },
    ),
    Event("platform.new", 5, {}),
]


def test_platform_events_are_records_where_they_are_asked_for() -> None:
    logs = Logs(SERVERLESS_INSTRUMENT_PLATFORM_LOGS="true")
    logs.feed(encoded.hello(), encoded.start("a"))
    for event in EVENTS:
        logs.logs.send_platform_event(event)
    found = logs.found()
    assert [record.body.string_value for _, _, record in found] == [
        "INIT_START Runtime Version: python:3.13\tRuntime Version ARN: unknown",
        "START RequestId: a Version: 3",
        "END RequestId: a",
        (
            "REPORT RequestId: a\tDuration: 1.25 ms\tBilled Duration: 2 ms\tStatus: timeout"
            "\tError Type: Sandbox.Timedout"
        ),
    ]
    assert [record.trace_id for _, _, record in found] == [b"", *[encoded.TRACE_ID] * 3]
    silent = Logs()
    for event in EVENTS:
        silent.logs.send_platform_event(event)
    assert silent.found() == []


def test_dev_mode_tells_of_a_span_at_its_start() -> None:
    logs = Logs(SERVERLESS_INSTRUMENT_DEV_MODE="true")
    logs.feed(encoded.hello(), encoded.start("a", "GET /cart"))
    ((_, scope, record),) = logs.found()
    assert scope == "serverless_instrument.runtime"
    assert record.event_name == "serverless_instrument.span.start"
    assert (record.body.string_value, record.trace_id) == ("GET /cart", encoded.TRACE_ID)
