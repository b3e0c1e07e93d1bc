"""What the fuzzer calls with its bytes; nothing but a documented error may come out.

Each target is a function of bytes and a list of inputs to begin with.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.exporter import otlp_http
from serverless_instrument.forwarder.http1 import BadMessageError, ResponseParser
from serverless_instrument.forwarder.http1_server import RequestParser
from serverless_instrument.forwarder.inputs.emf_metrics import EmfMetrics
from serverless_instrument.forwarder.inputs.statsd_metrics import StatsdMetrics
from serverless_instrument.forwarder.intake import Intake, Session
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
from tests.forwarder import encoded, measured

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRON = {"AWS_LAMBDA_FUNCTION_NAME": "shop"}
_EMF_AROUND = (
    '{"_aws": {"CloudWatchMetrics": [?]}, "a": "x", "m": 1}',
    '{"_aws": {"CloudWatchMetrics": [{"Namespace": "n", "Metrics": [{"Name": "m"}]}]}, "m": ?}',
)
# More than any input can be made to leave behind: what it is, in a few containers.
_OVERHEAD_BYTES = 64 * 1024
NOW_NS = 1_700_000_000_000_000_000


class Receiving:
    """The forwarder's pure half, as its loop puts it together."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.events = platform_events.Dispatch()
        settings = LogSettings(ENVIRON, has_destination=True, takes_metrics=True)
        emf = EmfMetrics(self.batch, delivery_counts.DeliveryCounts(), lambda _, __: None).add_line
        self.logs = LogIntake(settings, ENVIRON, self.batch, lambda _, __: None, emf)
        self.outcomes = Outcomes(ENVIRON, self.batch, 1)
        self.intake = Intake(self.batch, self.logs, self.outcomes, None)
        for kind in (platform_events.FUNCTION, platform_events.EXTENSION):
            self.events.add_handler(kind, lambda event: self.logs.add_line(event, 0.0))
        for kind in (platform_events.START, platform_events.INIT_START):
            self.events.add_handler(kind, self.logs.record_platform_start)
        self.events.add_handler(platform_events.LOGS_DROPPED, self.logs.record_dropped_lines)
        self.events.add_handler(platform_events.ANY, self.logs.send_platform_event)
        self.outcomes.subscribe(self.events)

    def finish(self, size_bytes: int) -> None:
        """SHUTDOWN: all that is held goes out, and it is not more than came in."""
        self.logs.send_due_lines(1e9, 10**18)
        self.logs.send_held_lines(10**18, last=True)
        self.outcomes.finish()
        sent = sum(len(export.body) for export in self.batch.take_exports())
        assert sent <= 8 * size_bytes + _OVERHEAD_BYTES, (sent, size_bytes)


def frames(data: bytes) -> None:
    """A connection's bytes: as they are, and behind a HELLO; in two parts."""
    for before in (b"", encoded.hello()):
        receiving, session = Receiving(), Session()
        half = len(data) // 2
        for part in (before + data[:half], data[half:]):
            _, defect = receiving.intake.read_frames(session, part)
            if defect:
                break
        assert session.reader.pending_bytes <= len(before) + len(data)
        receiving.intake.close_session(session, 10**18)
        receiving.finish(len(data))


def telemetry(data: bytes) -> None:
    """A post of the Telemetry API: as a whole request, and as its body alone."""
    bodies = [data]
    parser = RequestParser()
    try:
        parser.receive_data(data)
        if parser.complete:
            bodies.append(bytes(parser.body))
            parser.next_parser()
    except BadMessageError:
        pass
    for body in bodies:
        receiving = Receiving()
        try:
            events, _ = platform_events.parse(body)
        except ValueError:
            continue
        for event in events:
            try:
                receiving.events.publish(event)
            except (ValueError, TypeError, KeyError, OverflowError):
                continue  # what the loop catches for each event
        receiving.finish(len(body))


def response(data: bytes) -> None:
    """A backend's answer, and what it means."""
    parser = ResponseParser()
    try:
        half = len(data) // 2
        parser.receive_data(data[:half])
        parser.receive_data(data[half:])
        parser.end_of_stream()
    except BadMessageError:
        return
    if parser.complete:
        result = otlp_http.read_response(parser.status, parser.headers, bytes(parser.body))
        assert len(result.reason) < 2000


class Metrics:
    """What functions emit in other formats than ours, and what leaves of it."""

    def __init__(self, *, exponential: bool) -> None:
        self.batch = Batch()
        self.counts = delivery_counts.DeliveryCounts()
        self.emf = EmfMetrics(self.batch, self.counts, self._said, exponential=exponential)
        self.statsd = StatsdMetrics(self.batch, self.counts, self._said, exponential=exponential)

    def _said(self, subject: str, message: str) -> None:
        assert subject
        assert "\n" not in message
        assert len(message) < 400

    def finish(self) -> None:
        """A flush: what has been taken can be sent, and read."""
        for export in self.batch.take_exports():
            for series in measured.of_requests([export.body]):
                assert series.metric.name
                if series.kind == "histogram":
                    assert sum(series.point.bucket_counts) == series.point.count > 0
                elif series.kind == "exponential_histogram":
                    point = series.point
                    sides = (*point.positive.bucket_counts, *point.negative.bucket_counts)
                    assert sum(sides) + point.zero_count == point.count > 0
        assert all(number > 0 for number in self.counts.take_unreported().values())


def emf(data: bytes) -> None:
    """A line of the embedded metric format: whole, and as directive and value in a good one."""
    text = data.decode("utf-8", "replace")
    metrics = Metrics(exponential=len(data) % 2 == 1)
    for line in (text, *[line.replace("?", text) for line in _EMF_AROUND]):
        metrics.emf.add_line(line, b"", NOW_NS)
    metrics.finish()


def statsd(data: bytes) -> None:
    """Datagrams of StatsD and DogStatsD, over two flushes."""
    metrics = Metrics(exponential=len(data) % 2 == 1)
    for datagram in data.split(b"\0"):
        metrics.statsd.add_datagram(datagram, b"", NOW_NS)
    metrics.finish()
    metrics.statsd.add_datagram(data, b"", NOW_NS)
    metrics.finish()


def _frames() -> list[bytes]:
    root = encoded.span("shop").SerializeToString()
    bare = wire.pack_batch(encoded.scope(), root, 1)
    tagged = wire.pack_batch(encoded.scope(), encoded.items("traces", ["a", "b"]), 2)
    request = wire.pack_request("id", 1, 2, bare)
    lines = wire.pack_lines("id", [wire.line_digest(b"a line")])
    context = ("id", b"t" * 16, b"s" * 8, 1)
    text = wire.text_frame(wire.TEXT, 1, context, wire.ANNOUNCES, _emf()[-1])
    facts = wire.RECORD_HEAD.pack(1, 20, 4, 3, 0, 1, 1) + b"INFOappEs"
    record = wire.text_frame(wire.RECORD, 1, context, wire.ANNOUNCES, facts, b"said")
    kinds = {
        wire.START: request,
        wire.OPEN: request,
        wire.SPANS: tagged,
        wire.LOGS: wire.pack_batch(encoded.scope(), encoded.items("logs", ["a"]), 1),
        wire.METRICS: wire.pack_batch(encoded.scope(), encoded.items("metrics", ["a"]), 1),
        wire.LINES: lines,
        wire.INIT_ERROR: wire.pack_request("ValueError", 1, 0, wire.pack_batch(b"", b"", 1)),
        wire.TEXT: text[8:],
        wire.RECORD: record[8:],
        wire.END: wire.pack_request("id", 1, 2, tagged),
    }
    each = [wire.frame(kind, payload) for kind, payload in kinds.items()]
    return [*each, b"".join(each), encoded.hello()]


def _telemetry() -> list[bytes]:
    time = "2026-10-12T00:00:15.064Z"
    records: list[tuple[str, object]] = [
        ("platform.initStart", {"initializationType": "on-demand", "phase": "init"}),
        ("platform.initRuntimeDone", {"status": "error", "errorType": "Runtime.ExitError"}),
        ("platform.initReport", {"status": "success", "metrics": {"durationMs": 125.3}}),
        ("platform.start", {"requestId": "id", "tracing": {"type": "", "value": "Root=1-5-6"}}),
        ("platform.runtimeDone", {"requestId": "id", "status": "timeout"}),
        ("platform.report", {"requestId": "id", "status": "success", "metrics": {}}),
        ("platform.logsDropped", {"droppedBytes": 12, "droppedRecords": 1, "reason": "slow"}),
        ("function", "[ERROR]\t2026-10-12T00:00:15.064Z\tid\tmessage\n"),
        ("function", {"level": "INFO", "message": "message", "requestId": "id"}),
        ("extension", "a line"),
    ]
    events = [{"time": time, "type": kind, "record": record} for kind, record in records]
    bodies = [json.dumps([event]).encode() for event in events]
    bodies.append(json.dumps(events).encode())
    heads = [
        b"POST / HTTP/1.1\r\nHost: sandbox\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    ]
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    return [*bodies, *heads, chunked]


def _responses() -> list[bytes]:
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 8\r\n\r\n"
            b"\x0a\x06\x08\x01\x12\x02no"
        ),
        (
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"partialSuccess":'
            b'{"rejectedSpans":"1","errorMessage":"no"}}'
        ),
        b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nConnection: close\r\n\r\nbusy",
        b"HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n",
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"
        ),
    ]


def _emf() -> list[bytes]:
    definition = {"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}
    directive = {"Namespace": "shop", "Dimensions": [["a"], ["a", "b"]], "Metrics": [definition]}
    metadata = {"Timestamp": NOW_NS // 1_000_000, "CloudWatchMetrics": [directive]}
    distribution = {"Values": [1, 2], "Counts": [3, 4], "Sum": 11, "Min": 1, "Max": 2, "Count": 7}
    statistics = {"Sum": 11, "Min": 1, "Max": 2, "Count": 7}
    parts = [json.dumps(part).encode() for part in (directive, distribution, statistics, [1, -2.5])]
    return parts + [
        json.dumps({"_aws": metadata, "a": "x", "b": "y", "time": value}).encode()
        for value in (100, [1.5, -2, 1e9], distribution, statistics)
    ]


def _statsd() -> list[bytes]:
    return [
        b"orders:3|c|@0.1|#kind:book,new",
        b"level:5|g\0level:+3|g\0level:-3|g|#a:b",
        b"took:320:1.5|ms|T1700000000\nsize:1e3|h|@0.3\nweight:2|d|c:ab|e:it-false|card:low",
        b"users:anna|s\nusers:otto|s",
        b"_e{5,4}:title|text|d:1700000000\n_sc|name|0|m:message",
    ]


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "frames": (frames, _frames()),
    "telemetry": (telemetry, _telemetry()),
    "response": (response, _responses()),
    "emf": (emf, _emf()),
    "statsd": (statsd, _statsd()),
}
