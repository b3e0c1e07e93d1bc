"""Frames of one or several runtimes become telemetry and ended invocations."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.intake import Session
from tests.forwarder import encoded, intakes

NOW_NS = 1_700_000_100_000_000_000
NOW_MS = NOW_NS // 1_000_000


class Receiving:
    """An intake, and what has come out of it."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.intake = intakes.intake(self.batch)

    def feed(self, session: Session, *frames: bytes) -> list[str]:
        """Request ids that ended; there must be no defect."""
        ended, defect = self.intake.read_frames(session, b"".join(frames))
        assert defect == ""
        return ended

    def names(self, signal: str = "traces") -> list[str]:
        return [
            item.name
            for export in self.batch.take_exports()
            if export.signal == signal
            for item in encoded.found(signal, export.body)
        ]

    def spans(self) -> list[Span]:
        return [
            span
            for export in self.batch.take_exports()
            for resource in ExportTraceServiceRequest.FromString(export.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def error_type(span: Span) -> str:
    (only,) = (a.value.string_value for a in span.attributes if a.key == "error.type")
    return only


def test_an_invocation_from_hello_to_end() -> None:
    receiving, session = Receiving(), Session()
    assert receiving.feed(session, encoded.hello(pid=42)) == []
    assert (session.greeted, session.pid) == (True, 42)
    assert receiving.feed(session, encoded.start("a"), encoded.logs(["line"])) == []
    assert receiving.feed(session, encoded.end("a", "GET /")) == ["a"]
    exports = {export.signal: export.body for export in receiving.batch.take_exports()}
    assert [i.name for i in encoded.found("traces", exports["traces"])] == ["GET /"]
    assert [i.service for i in encoded.found("logs", exports["logs"])] == ["checkout"]
    assert receiving.intake.close_session(session, NOW_NS) == []
    assert receiving.batch.frames == 4


def test_each_signal_goes_where_it_belongs() -> None:
    receiving, session = Receiving(), Session()
    kinds = {"traces": wire.SPANS, "logs": wire.LOGS, "metrics": wire.METRICS}
    frames = [wire.frame(kind, encoded.batch(s, [s])) for s, kind in kinds.items()]
    receiving.feed(session, encoded.hello(), *frames)
    found = {
        export.signal: [item.name for item in encoded.found(export.signal, export.body)]
        for export in receiving.batch.take_exports()
    }
    assert found == {signal: [signal] for signal in kinds}


@pytest.mark.parametrize(
    ("deadline_unix_ms", "expected"),
    [
        (0, "Runtime.ExitError"),
        (NOW_MS + 101, "Runtime.ExitError"),
        (NOW_MS + 100, "timeout"),
        (NOW_MS, "timeout"),
        (NOW_MS - 5000, "timeout"),
    ],
)
def test_a_start_without_an_end_is_sent_on_once_as_an_error(
    deadline_unix_ms: int, expected: str
) -> None:
    receiving, session = Receiving(), Session()
    receiving.feed(session, encoded.hello(), encoded.start("a", "GET /", deadline_unix_ms))
    assert receiving.names() == []
    assert receiving.intake.close_session(session, NOW_NS) == ["a"]
    (span,) = receiving.spans()
    assert (span.name, span.end_time_unix_nano) == ("GET /", NOW_NS)
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert error_type(span) == expected
    assert receiving.intake.close_session(session, NOW_NS) == []
    assert receiving.spans() == []


def test_a_start_without_a_span_is_closed_in_silence() -> None:
    receiving, session = Receiving(), Session()
    empty = wire.pack_request("a", 0, 0, wire.pack_batch(b"", b"", 0))
    receiving.feed(session, encoded.hello(), wire.frame(wire.START, empty))
    assert receiving.intake.close_session(session, NOW_NS) == ["a"]
    assert receiving.spans() == []


def test_several_open_requests_of_one_connection() -> None:
    receiving, session = Receiving(), Session()
    starts = [encoded.start(name, name) for name in ("a", "b", "c")]
    receiving.feed(session, encoded.hello(), *starts, encoded.end("b", "b"))
    assert receiving.names() == ["b"]
    assert receiving.intake.close_session(session, NOW_NS) == ["a", "c"]
    assert [span.name for span in receiving.spans()] == ["a", "c"]


def test_two_sessions_know_nothing_of_each_other() -> None:
    receiving, one, two = Receiving(), Session(), Session()
    receiving.feed(one, encoded.hello("one"), encoded.start("a", "one"))
    receiving.feed(two, encoded.hello("two"), encoded.start("a", "two"))
    assert receiving.feed(two, encoded.end("a", "two")) == ["a"]
    assert receiving.intake.close_session(two, NOW_NS) == []
    assert receiving.intake.close_session(one, NOW_NS) == ["a"]
    (export,) = receiving.batch.take_exports()
    assert [(i.service, i.name) for i in encoded.found("traces", export.body)] == [
        ("two", "two"),
        ("one", "one"),
    ]


def test_an_end_over_a_new_connection_ends_what_the_first_one_began() -> None:
    """A function has closed the runtime's descriptor, whose file a waiting thread keeps open."""
    receiving, one, two = Receiving(), Session(), Session()
    receiving.feed(one, encoded.hello(), encoded.start("a"), encoded.start("b"))
    assert receiving.feed(two, encoded.hello(), encoded.end("a", "GET /")) == ["a"]
    assert receiving.intake.close_session(one, NOW_NS) == ["b"]
    assert receiving.intake.close_session(two, NOW_NS) == []
    assert receiving.intake._started_in == {}


def test_frames_and_what_was_dropped_before_them_are_counted() -> None:
    receiving, session = Receiving(), Session()
    receiving.feed(session, encoded.hello(), wire.dropped_frame(3), wire.dropped_frame(4))
    receiving.feed(session, wire.dropped_frame(5, wire.METRICS))
    batch = receiving.batch
    assert (batch.frames, batch.dropped_frames, batch.dropped_measurements) == (4, 7, 5)


def test_an_end_without_a_start_is_an_end() -> None:
    receiving, session = Receiving(), Session()
    assert receiving.feed(session, encoded.hello(), encoded.end("a", "GET /")) == ["a"]
    assert receiving.names() == ["GET /"]


def test_a_retry_under_the_same_request_id_is_an_invocation_of_its_own() -> None:
    receiving, session = Receiving(), Session()
    once = encoded.start("a") + encoded.end("a", "first")
    assert receiving.feed(session, encoded.hello(), once) == ["a"]
    assert receiving.feed(session, encoded.start("a", "second")) == []
    assert receiving.intake.close_session(session, NOW_NS) == ["a"]
    assert receiving.names() == ["first", "second"]


def test_an_end_that_comes_twice_ends_twice_and_leaves_nothing_open() -> None:
    receiving, session = Receiving(), Session()
    twice = encoded.start("a") + encoded.end("a") * 2
    assert receiving.feed(session, encoded.hello(), twice) == ["a", "a"]
    assert receiving.intake.close_session(session, NOW_NS) == []


@pytest.mark.parametrize("frame", [encoded.start("a"), encoded.end("a"), encoded.logs(["x"])])
def test_the_first_frame_must_be_hello(frame: bytes) -> None:
    receiving, session = Receiving(), Session()
    ended, defect = receiving.intake.read_frames(session, frame)
    assert (ended, defect) == ([], "the first frame is not HELLO")
    assert not session.greeted
    assert not receiving.batch


@pytest.mark.parametrize(
    "defect",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        wire.frame(wire.DEADLINE, b""),
        wire.frame(wire.START, b"short"),
        wire.frame(wire.START, wire.pack_request("a", 0, 0, b"short")),
        wire.frame(wire.START, wire.pack_request("a" * 255, 0, 0, b"")[:-1]),
        wire.frame(wire.END, b""),
        wire.frame(wire.END, wire.pack_request("a", 0, 0, b"")),
        wire.frame(wire.SPANS, b"short"),
        wire.frame(wire.LOGS, wire.pack_batch(b"scope", b"", 0)[:-1]),
        wire.frame(wire.METRICS, b""),
    ],
)
def test_what_came_before_a_defect_counts_and_what_comes_after_does_not(defect: bytes) -> None:
    receiving, session = Receiving(), Session()
    before = encoded.hello() + encoded.start("open", "open") + encoded.end("a", "before")
    ended, reason = receiving.intake.read_frames(
        session, before + defect + encoded.end("b", "after")
    )
    assert ended == ["a"]
    assert reason
    assert reason.isprintable()
    receiving.intake.close_session(session, NOW_NS)
    assert receiving.names() == ["before", "open"]


def test_a_later_hello_says_whose_telemetry_follows() -> None:
    receiving, session = Receiving(), Session()
    spans = wire.frame(wire.SPANS, encoded.batch("traces", ["one"]))
    receiving.feed(session, encoded.hello("one"), spans, encoded.hello("two"), encoded.end("a"))
    (export,) = receiving.batch.take_exports()
    assert {item.service for item in encoded.found("traces", export.body)} == {"one", "two"}


@pytest.mark.parametrize("hello", [wire.frame(wire.HELLO, b"1234"), wire.frame(wire.HELLO, b"")])
def test_a_hello_that_is_cut_off_greets_nobody(hello: bytes) -> None:
    session = Session()
    assert Receiving().intake.read_frames(session, hello)[1]
    assert not session.greeted


FRAMES = st.sampled_from(
    [
        encoded.hello(),
        encoded.start("a"),
        encoded.start("b"),
        encoded.end("a"),
        encoded.end("c"),
        encoded.logs(["x"]),
        wire.frame(wire.DEADLINE, b""),
    ]
)


@given(
    st.lists(FRAMES | st.binary(max_size=20), max_size=10).map(b"".join),
    st.lists(st.integers(0, 500), max_size=5),
)
def test_any_bytes_in_any_split_give_the_same_and_never_an_exception(
    data: bytes, cuts: list[int]
) -> None:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    assert received([data]) == received(pieces)


def received(pieces: list[bytes]) -> object:
    receiving, session = Receiving(), Session()
    ended: list[str] = []
    for piece in pieces:
        more, defect = receiving.intake.read_frames(session, piece)
        ended += more
        if defect:
            break
    unfinished = receiving.intake.close_session(session, NOW_NS)
    return ended, unfinished, [e.body for e in receiving.batch.take_exports()]
