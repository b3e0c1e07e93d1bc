"""The real process and a backend that behaves, and one that does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.forwarder import encoded
from tests.forwarder.running import World, eventually, world
from tests.servers import otlp_backend
from tests.servers.otlp_backend import OK, Gate, Last, Script, status

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp_backend import Export

pytestmark = pytest.mark.integration

REFUSED = "serverless-instrument: the backend is out of reach, traces are kept: "
# On a machine that is busy with other things: less than the second that a flush may wait.
PROMPT_S = 0.9


def invoke_until(parts: World, count: int, prefix: str = "later") -> int:
    """Invoke until the backend has had `count` requests; how many invocations that took."""
    number = 0
    give_up_at_s = time.monotonic() + 30
    while len(parts.backend.exports) < count:
        assert time.monotonic() < give_up_at_s
        parts.invoke(f"{prefix} {number}")
        number += 1
        time.sleep(0.05)  # until the breaker closes
    return number


def delivered(parts: World) -> list[str]:
    """Names of all spans, in order of delivery; none may have come twice."""
    names = parts.backend.names()
    assert len(names) == len(set(names))
    return names


def test_one_connection_for_many_flushes(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        names = [f"span {number}" for number in range(20)]
        for name in names:
            parts.runtime.send(encoded.logs([name]))
            parts.invoke(name)
        assert len(parts.backend.exports) > 20
        parts.shut_down()
        assert delivered(parts) == names
        assert parts.backend.names("logs") == names
        assert parts.backend.connections == 1
        assert {e.request.path for e in parts.backend.exports} == {"/v1/traces", "/v1/logs"}


def test_requests_are_as_the_settings_say(tmp_path: Path) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cret",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "gzip",
    }
    with world(tmp_path, environ=environ) as parts:
        parts.runtime.send(encoded.logs(["line"]))
        parts.invoke("span")
        headers = {e.signal: e.request.headers for e in parts.backend.exports}
        assert headers["traces"]["api-key"] == headers["logs"]["api-key"] == "s3cret"
        assert headers["traces"]["content-type"] == "application/x-protobuf"
        assert "content-encoding" not in headers["traces"]
        assert headers["logs"]["content-encoding"] == "gzip"
        assert "s3cret" not in "".join(parts.forwarder.lines())


def test_json(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}) as parts:
        parts.invoke("span")
        (export,) = parts.backend.exports
        assert export.request.headers["content-type"] == "application/json"
        assert b'"traceId":"000102030405060708090a0b0c0d0e0f"' in export.body
        parts.shut_down()
        assert parts.forwarder.lines() == []


def test_grpc_is_one_warning_and_protobuf(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) as parts:
        parts.invoke("span")
        assert delivered(parts) == ["span"]
        (line,) = parts.forwarder.lines()
        assert 'OTEL_EXPORTER_OTLP_PROTOCOL="grpc" is not supported' in line


@pytest.mark.parametrize("freeze", [False, True])
def test_idle_connections_that_the_backend_closed_cost_nothing(
    tmp_path: Path, *, freeze: bool
) -> None:
    with world(tmp_path) as parts:
        for number in range(4):
            parts.invoke(f"span {number}")
            if freeze:
                with parts.forwarder.frozen():
                    parts.backend.close_connections()
            else:
                parts.backend.close_connections()
        assert delivered(parts) == [f"span {number}" for number in range(4)]
        assert parts.backend.connections == 4
        assert parts.forwarder.lines() == []


def test_a_connection_is_kept_over_a_freeze(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        for number in range(3):
            parts.invoke(f"span {number}")
            with parts.forwarder.frozen():
                pass
        assert delivered(parts) == [f"span {number}" for number in range(3)]
        assert parts.backend.connections == 1


def test_frozen_while_the_backend_answers(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        gate = Gate()
        parts.backend.respond = gate
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a", "span"), encoded.end("a", "span"))
        parts.backend.wait_for(1)
        with parts.forwarder.frozen():
            gate.open()
            time.sleep(1.2)  # longer than a flush may take
        parts.api.wait_for_next(2)
        # What overran its budget is not waited for again.
        parts.invoke("after")
        parts.backend.wait_for(2)
        parts.shut_down()
        assert delivered(parts) == ["span", "after"]
        assert parts.forwarder.lines() == []


@pytest.mark.parametrize("ending", [Last(), None], ids=["closed", "reset"])
def test_a_kept_connection_that_dies_before_a_byte_came_back_is_replaced_once(
    tmp_path: Path, ending: bytes | None
) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Script(OK, ending, OK)
        parts.invoke("one")
        assert parts.invoke("two") < PROMPT_S
        assert parts.backend.names() == ["one", "two", "two"]
        assert [e.connection for e in parts.backend.exports] == [1, 1, 2]
        assert parts.forwarder.lines() == []


def test_a_connection_that_the_backend_wants_closed_is_not_used_again(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = lambda _: status(200, "Connection: close")
        for number in range(3):
            parts.invoke(f"span {number}")
        assert delivered(parts) == ["span 0", "span 1", "span 2"]
        assert [e.connection for e in parts.backend.exports] == [1, 2, 3]


TROUBLE = {
    "429": status(429),
    "502": status(502),
    "503": status(503),
    "504": status(504),
    "closed": Last(),
    "reset": None,
    "garbage": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "cut off": Last(b"HTTP/1.1 200 OK\r\nContent-Le"),
}


@pytest.mark.variants(2)
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_what_could_not_be_delivered_is_kept_and_delivered_once(
    tmp_path: Path, trouble: bytes | None
) -> None:
    with world(tmp_path) as parts:
        refused: list[Export] = []

        def respond(export: Export) -> bytes | None:
            if len(refused) < 2:
                refused.append(export)
                return trouble
            return OK

        parts.backend.respond = respond
        took_s = parts.invoke("first")
        assert took_s < PROMPT_S
        # The breaker is open: nothing is tried, and nothing waited for.
        assert parts.invoke("second") < PROMPT_S
        assert len(parts.backend.exports) == 1
        invoke_until(parts, 5)
        names = [name for e in parts.backend.exports if e not in refused for name in e.names()]
        assert {"first", "second"} <= set(names)
        assert len(names) == len(set(names))
        (line,) = parts.forwarder.lines()
        assert line.startswith(REFUSED)
        parts.shut_down()


def test_retry_after_is_respected(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Script(status(503, "Retry-After: 2"), OK)
        parts.invoke("first")
        invoke_until(parts, 2)
        first, second = (e.request.received_s for e in parts.backend.exports[:2])
        assert second - first >= 2.0
        assert parts.backend.names()[:2] == ["first", "first"]


def test_a_backend_that_starts_later(tmp_path: Path) -> None:
    with otlp_backend.serving() as absent:
        absent.close()
        with otlp_backend.serving() as backend:
            environ = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{absent.url}/v1/logs"}
            with world(tmp_path, backend, environ) as parts:
                parts.runtime.send(encoded.logs(["line"]))
                assert parts.invoke("span") < PROMPT_S
                assert delivered(parts) == ["span"]
                line = parts.forwarder.wait_for_line("out of reach")
                assert "logs are kept: ConnectionRefusedError: " in line
                # The other signal's breaker stays closed, and this one's open.
                assert parts.invoke("another") < PROMPT_S
                assert delivered(parts) == ["span", "another"]
                assert len(parts.forwarder.lines()) == 1


def test_a_backend_that_hangs_costs_one_budget_and_then_nothing(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "2000"}) as parts:
        accepted: list[str] = []

        def accept(export: Export) -> bytes:
            accepted.extend(export.names())
            return OK

        parts.backend.respond = Gate()
        assert 0.9 < parts.invoke("first") < 1.0 + PROMPT_S
        for number in range(5):
            assert parts.invoke(f"meanwhile {number}") < PROMPT_S
        assert "TimeoutError" in parts.forwarder.wait_for_line("out of reach")
        parts.backend.respond = accept
        assert parts.invoke("breaker open") < PROMPT_S
        expected = ["first", *(f"meanwhile {number}" for number in range(5)), "breaker open"]
        give_up_at_s = time.monotonic() + 30
        while not set(expected) <= set(accepted):
            assert time.monotonic() < give_up_at_s
            parts.invoke(f"later {len(parts.api.nexts)}")
            time.sleep(0.05)  # until the breaker closes
        assert len(accepted) == len(set(accepted))
        assert len(parts.forwarder.lines()) == 1


@pytest.mark.parametrize("left_s", [1.0, 0.6])
def test_next_is_asked_before_the_deadline_whatever_the_backend_does(
    tmp_path: Path, left_s: float
) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Gate()
        waited_s = parts.invoke("short", left_s=left_s)
        assert left_s - 0.3 < waited_s < left_s - 0.1 + PROMPT_S
        assert parts.invoke("not waited for", left_s=left_s) < PROMPT_S


@pytest.mark.parametrize("left_s", [0.05, -5.0])
def test_next_is_asked_at_once_where_the_deadline_is_near_or_over(
    tmp_path: Path, left_s: float
) -> None:
    with world(tmp_path) as parts:
        gate = parts.backend.respond = Gate()
        assert parts.invoke("late", left_s=left_s) < PROMPT_S
        gate.open()
        eventually(lambda: delivered(parts) == ["late"], "it is delivered")
        parts.forwarder.wait_idle()  # it has read the answer
        # It tells nothing of the backend: the next one is waited for.
        parts.backend.respond = Gate()
        assert parts.invoke("next") > 0.9


def test_a_backend_slower_than_a_flush_may_be_gets_everything_once(tmp_path: Path) -> None:
    with world(tmp_path) as parts:

        def slowly(_: Export) -> bytes:
            time.sleep(2.5)
            return OK

        parts.backend.respond = slowly
        for number in range(3):
            assert parts.invoke(f"span {number}") < 1.0 + PROMPT_S
        eventually(lambda: len(parts.backend.names()) == 3, "everything is delivered")
        time.sleep(0.5)  # for what may come twice
        assert delivered(parts) == ["span 0", "span 1", "span 2"]
        assert parts.forwarder.lines() == []


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 500])
def test_what_the_backend_refuses_for_good_is_counted_and_not_tried_again(
    tmp_path: Path, code: int
) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Script(status(code, body=b"bad \r\nrequest"), OK)
        parts.invoke("refused")
        parts.invoke("accepted")
        assert delivered(parts) == ["refused", "accepted"]
        parts.shut_down()
        why = "too large" if code == 413 else "refused"
        assert parts.forwarder.lines() == [
            f"serverless-instrument: 1 traces items were refused: HTTP {code}: bad   request",
            f"serverless-instrument: 1 items were not delivered: 1 traces ({why})",
        ]


def test_a_refusal_is_said_once_until_something_is_delivered(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        bad = status(400)
        parts.backend.respond = Script(bad, bad, bad, OK, bad)
        for number in range(5):
            parts.invoke(f"span {number}")
        refusal = "serverless-instrument: 1 traces items were refused: HTTP 400"
        assert parts.forwarder.lines() == [refusal, refusal]


def test_an_early_refusal_of_a_large_body_is_heard(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}) as parts:
        parts.backend.early = status(413)
        parts.runtime.send(*(encoded.logs(["x" * 800_000]) for _ in range(4)))
        parts.invoke("span")
        line = parts.forwarder.wait_for_line("logs items were refused")
        assert "HTTP 413" in line


def test_a_partial_success_is_said_and_counted(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        body = b"\x0a\x09\x08\x01\x12\x05stale"
        parts.backend.respond = Script(status(200, body=body), OK)
        parts.invoke("partly")
        parts.invoke("fully")
        parts.shut_down()
        assert delivered(parts) == ["partly", "fully"]
        assert parts.forwarder.lines() == [
            "serverless-instrument: 1 traces items were refused: stale",
            "serverless-instrument: 1 items were not delivered: 1 traces (refused)",
        ]


def test_a_host_that_has_no_address(tmp_path: Path) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://backend.invalid:4318"}
    with world(tmp_path, environ=environ) as parts:
        parts.invoke("span")
        assert "traces are kept: gaierror: " in parts.forwarder.wait_for_line("out of reach")
        parts.shut_down()
