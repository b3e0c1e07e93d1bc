"""Invocations as the real process sees them: /next after the flush, whatever else happens."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from serverless_instrument import wire
from tests.forwarder import encoded, running
from tests.forwarder.running import World, world
from tests.servers.otlp_backend import Gate
from tests.servers.raw_http import answer

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


def spans(parts: World) -> list[Span]:
    return [
        span
        for export in list(parts.backend.exports)
        if export.signal == "traces"
        for resource in ExportTraceServiceRequest.FromString(export.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def error_types(parts: World) -> dict[str, str]:
    return {
        span.name: attribute.value.string_value
        for span in spans(parts)
        for attribute in span.attributes
        if attribute.key == "error.type"
    }


def check_it_still_works(parts: World, name: str = "still works") -> None:
    """With a runtime of its own, as those of the test may be gone."""
    parts.runtime = parts.forwarder.connect()
    parts.invoke(name)
    assert parts.backend.names().count(name) == 1


def test_one_invocation_after_the_other(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        names = [f"span {number}" for number in range(5)]
        for name in names:
            parts.invoke(name)
            assert parts.backend.names()[-1] == name
        parts.shut_down()
        assert parts.backend.names() == names
        assert parts.forwarder.lines() == []


def test_next_is_asked_after_the_backend_has_answered(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        answered: list[float] = []
        gate = Gate()

        def respond(export: object) -> bytes:
            response = gate(export)  # type: ignore[arg-type] # it does not look
            answered.append(time.monotonic())
            return response

        parts.backend.respond = respond
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a"), encoded.end("a"))
        parts.backend.wait_for(1)
        assert len(parts.api.nexts) == 1
        gate.open()
        assert parts.api.wait_for_next(2).received_s >= answered[0]


def test_without_an_instrumented_runtime_next_follows_at_once(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.runtime.die()
        for count in range(2, 6):
            parts.api.invoke(f"request-{count}")
            parts.api.wait_for_next(count)
        assert parts.backend.connections == 0


def test_a_runtime_that_dies_leaves_one_error_span(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a", "crashed", 4_102_444_800_000), encoded.logs(["last"]))
        parts.runtime.die()
        parts.api.wait_for_next(2)
        (span,) = spans(parts)
        assert (span.name, span.status.code) == ("crashed", Status.STATUS_CODE_ERROR)
        assert span.end_time_unix_nano > span.start_time_unix_nano
        assert error_types(parts) == {"crashed": "Runtime.ExitError"}
        assert parts.backend.names("logs") == ["last"]
        check_it_still_works(parts)
        parts.shut_down()
        assert parts.backend.names() == ["crashed", "still works"]


def test_a_runtime_that_dies_at_its_deadline_timed_out(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        deadline_ms = int(time.time() * 1000) + 50
        parts.api.invoke("a", deadline_ms=deadline_ms)
        parts.runtime.send(encoded.start("a", "hung", deadline_ms))
        parts.runtime.die()
        # Past the deadline /next does not wait for the backend.
        parts.api.wait_for_next(2)
        parts.backend.wait_for(1)
        assert error_types(parts) == {"hung": "timeout"}


def test_an_invocation_without_a_word_is_given_up_after_its_deadline(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        invoked_s = time.monotonic()
        parts.api.invoke("a", left_s=0.3)
        assert parts.api.wait_for_next(2).received_s - invoked_s >= 0.3
        parts.api.invoke("b", left_s=-100)
        parts.api.wait_for_next(3)
        check_it_still_works(parts)


@pytest.mark.parametrize("deadline_ms", [1, 99_999_999_999_999])
def test_a_deadline_without_sense_disturbs_nothing(tmp_path: Path, deadline_ms: int) -> None:
    with world(tmp_path) as parts:
        before_s = parts.forwarder.cpu_s()
        parts.api.invoke("a", deadline_ms=deadline_ms)
        parts.runtime.send(encoded.start("a", "span"), encoded.end("a", "span"))
        parts.api.wait_for_next(2)
        parts.api.invoke("b", left_s=2_999_999.999)
        parts.runtime.send(encoded.start("b", "span"))
        time.sleep(0.5)  # nothing may happen in it
        assert len(parts.api.nexts) == 2
        parts.runtime.send(encoded.end("b", "span"))
        parts.api.wait_for_next(3)
        assert parts.forwarder.cpu_s() - before_s < 0.3
        assert parts.backend.names() == ["span", "span"]
        assert parts.forwarder.lines() == []


def test_an_end_before_its_invoke(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.runtime.send(encoded.start("a", "quick"), encoded.end("a", "quick"))
        parts.backend.wait_for(1)
        parts.api.invoke("a")
        parts.api.wait_for_next(2)
        assert parts.backend.names() == ["quick"]


def test_a_retry_under_the_same_request_id_is_waited_for(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        for count in range(2, 5):
            parts.api.invoke("same")
            parts.runtime.send(encoded.start("same", f"try {count}"))
            time.sleep(0.1)  # the time in which /next would come too early
            assert len(parts.api.nexts) == count - 1
            parts.runtime.send(encoded.end("same", f"try {count}"))
            parts.api.wait_for_next(count)
            assert parts.backend.names()[-1] == f"try {count}"


def test_several_runtimes(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        other = parts.forwarder.connect_silently(encoded.hello("other", pid=2))
        other.send(encoded.start("b", "other"))
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a", "one"), encoded.end("a", "one"))
        parts.api.wait_for_next(2)
        assert parts.backend.names() == ["one"]
        other.die()
        parts.backend.wait_for(2)
        assert parts.backend.names() == ["one", "other"]
        (item,) = encoded.found("traces", parts.backend.exports[1].body)
        assert item.service == "other"
        parts.invoke("two")


HOSTILE = {
    "garbage": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no hello": encoded.end("a"),
    "hello cut off": wire.frame(wire.HELLO, b"\0"),
    "unknown kind": encoded.hello() + b"SI\x03\x63\0\0\0\0",
    "another version": b"SI\x03\x01\0\0\0\0",
    "too large": encoded.hello() + b"SI\x03\x03\xff\xff\xff\xff",
    "batch cut off": encoded.hello() + wire.frame(wire.SPANS, b"\0"),
    "request cut off": encoded.hello() + wire.frame(wire.START, b"\0" * 16),
    "end cut off": encoded.hello() + wire.frame(wire.END, wire.pack_request("a", 0, 0, b"\0")),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_frame_ends_its_own_connection_only(tmp_path: Path, data: bytes) -> None:
    with world(tmp_path) as parts:
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a", "undisturbed"))
        assert parts.forwarder.connect_silently(data).ended_by_the_forwarder()
        parts.runtime.send(encoded.end("a", "undisturbed"))
        parts.api.wait_for_next(2)
        assert parts.backend.names() == ["undisturbed"]
        (line,) = parts.forwarder.lines()
        assert line.startswith("serverless-instrument: closed a connection: ")


def test_telemetry_that_is_no_protobuf_is_delivered_as_it_is(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json"}) as parts:
        garbage = wire.pack_batch(b"\xff", b"\xfe\xfe", 3)
        parts.runtime.send(wire.frame(wire.SPANS, garbage), wire.frame(wire.LOGS, garbage))
        parts.api.invoke("a")
        parts.runtime.send(
            encoded.start("a"), wire.frame(wire.END, wire.pack_request("a", 0, 0, garbage))
        )
        parts.api.wait_for_next(2)
        assert b"\xff\xfe\xfe" in parts.backend.exports[0].body
        # JSON cannot be made of it.
        assert "3 logs items were refused: ValueError" in parts.forwarder.wait_for_line("refused")


def test_a_connection_that_says_nothing_is_nobody(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.runtime.die()
        parts.forwarder.connect_silently(b"SI")
        parts.api.invoke("a")
        parts.api.wait_for_next(2)
        parts.shut_down()
        assert parts.forwarder.lines() == []


NEXT_GONE_WRONG = {
    "500": answer(500, {"errorType": "Extension.Internal"}),
    "403": answer(403, {"errorType": "Extension.UnknownExtensionIdentifier"}),
    "garbage": b"garbage\r\n\r\n",
    "reset": None,
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    "no object": answer(200, []),
    "nested": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "infinite deadline": b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"deadlineMs": 1e9999}',
    "unknown event": answer(200, {"eventType": "RESTORE"}),
    "not UTF-8": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    "two answers": answer(200, {"eventType": "X"}) * 2,
}


@pytest.mark.parametrize("said", NEXT_GONE_WRONG.values(), ids=NEXT_GONE_WRONG)
def test_whatever_next_is_answered_with_it_is_asked_again_and_not_in_a_hurry(
    tmp_path: Path, said: bytes | None
) -> None:
    with world(tmp_path) as parts:
        before_s = parts.forwarder.cpu_s()
        for _ in range(5):
            parts.api.say(said)
        parts.api.wait_for_next(6)
        took_s = parts.api.nexts[5].received_s - parts.api.nexts[0].received_s
        assert took_s > 0.8
        assert parts.forwarder.cpu_s() - before_s < 0.3
        (line,) = parts.forwarder.lines()
        assert line.startswith("serverless-instrument: next failed, asking again: ")
        check_it_still_works(parts)
        parts.shut_down()


def test_a_kept_connection_to_the_api_that_was_closed_is_made_anew_at_once(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        gate = Gate()
        parts.backend.respond = gate
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a"), encoded.end("a"))
        parts.backend.wait_for(1)
        parts.api.close_connections()
        gate.open()
        parts.api.wait_for_next(2)
        assert parts.forwarder.lines() == []
        # Register, the subscription, and /next before and after.
        assert parts.api.connections == 4


def test_an_event_in_pieces(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        event = answer(200, {"eventType": "INVOKE", "requestId": "a", "deadlineMs": 4e12})
        parts.api.say(*(event[index : index + 1] for index in range(len(event))))
        parts.runtime.send(encoded.start("a", "span"), encoded.end("a", "span"))
        parts.api.wait_for_next(2)
        assert parts.backend.names() == ["span"]


def test_5000_spans_and_large_logs_in_one_invocation(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        names = [f"span {number}" for number in range(5000)]
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a", "root"))
        for first in range(0, 5000, 50):
            batch = encoded.batch("traces", names[first : first + 50])
            parts.runtime.send(wire.frame(wire.SPANS, batch))
        lines = [str(number) + "x" * MIB for number in range(5)]
        for line in lines:
            parts.runtime.send(encoded.logs([line]))
        parts.runtime.send(encoded.end("a", "root"))
        parts.api.wait_for_next(2)
        parts.shut_down()
        assert parts.backend.names() == [*names, "root"]
        assert parts.backend.names("logs") == lines
        assert len([e for e in parts.backend.exports if e.signal == "logs"]) > 1
        assert all(len(e.body) <= 4_000_000 for e in parts.backend.exports)


def flood(parts: World, stop: threading.Event) -> None:
    """Write log lines as fast as the forwarder reads them."""
    runtime = parts.forwarder.connect()
    with contextlib.suppress(OSError):
        while not stop.is_set():
            runtime.send(encoded.logs(["x" * 100_000]) * 10)


def test_a_runtime_that_never_stops_writing_holds_nothing_up(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        stop = threading.Event()
        thread = threading.Thread(target=flood, args=(parts, stop))
        thread.start()
        try:
            for number in range(3):
                parts.invoke(f"span {number}")
            assert parts.shut_down(left_s=3.0) > 0
        finally:
            stop.set()
            thread.join()
        # More than can be sent is dropped, the oldest first, and counted.
        assert parts.backend.names()[:1] == ["span 0"]
        assert not [line for line in parts.forwarder.lines() if "internal error" in line]


def test_what_a_backend_does_not_take_is_bounded_in_memory_and_counted(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        gate = Gate()
        parts.backend.respond = gate
        for _ in range(100):
            parts.runtime.send(encoded.logs(["x" * 500_000]) * 2)
        parts.invoke("root")
        assert parts.forwarder.peak_kib() < 64 * 1024
        parts.shut_down()
        line = parts.forwarder.wait_for_line("items were not delivered")
        assert line.startswith("serverless-instrument: 201 items were not delivered: ")
        assert " logs (no room)" in line
        assert " logs (kept in /tmp in case of a restart)" in line


BROKEN = """\
import sys
sys.path.insert(0, {root!r})
from serverless_instrument.forwarder import start
from serverless_instrument.forwarder.delivery import delivery

def broken(*_):
    raise RuntimeError("on purpose")

delivery.Delivery.submit_batch = delivery.Delivery.discard_batch = broken
start.run({{}})
"""


def test_an_internal_error_whose_recovery_fails_too_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "broken.py"
    program.write_text(BROKEN.format(root=str(running.MAIN.parents[2])))
    monkeypatch.setattr(running, "MAIN", program)
    with world(tmp_path) as parts:
        for _ in range(2):
            parts.invoke("span")
        parts.shut_down()
        assert parts.forwarder.lines() == [
            "serverless-instrument: internal error, going on: RuntimeError: on purpose"
        ]
