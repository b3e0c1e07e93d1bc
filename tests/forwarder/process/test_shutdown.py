"""SHUTDOWN: everything that waits is sent, and the process ends with 0 before the deadline."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

import pytest

from tests.forwarder import encoded
from tests.forwarder.running import world
from tests.servers import otlp_backend
from tests.servers.otlp_backend import OK, Gate, Script, status
from tests.servers.raw_http import answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

TWO_KEPT = (
    "serverless-instrument: 2 items were not delivered: 2 logs (kept in /tmp in case of a restart)"
)
DOUBTFUL = "items may arrive twice, nobody answered their requests:"


def test_what_stands_in_the_sockets_is_sent(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.api.invoke("a")
        with parts.forwarder.frozen():
            parts.runtime.send(encoded.start("a", "open"), encoded.logs(["first", "second"]))
            parts.runtime.send(encoded.start("b", "ended"), encoded.end("b", "ended"))
            late = parts.forwarder.connect(encoded.logs(["late"]))
            late.die()
        parts.runtime.die()
        parts.api.wait_for_next(2)
        parts.shut_down()
        assert sorted(parts.backend.names()) == ["ended", "open"]
        assert sorted(parts.backend.names("logs")) == ["first", "late", "second"]
        assert parts.forwarder.lines() == []


def test_shutdown_and_the_runtimes_last_frames_in_one_turn(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        with parts.forwarder.frozen():
            parts.runtime.send(encoded.start("a", "last"), encoded.end("a", "last"))
            parts.runtime.die()
            parts.api.shut_down()
            time.sleep(0.1)  # until the event is in the forwarder's socket
        assert parts.forwarder.exit_status() == 0
        assert parts.backend.names() == ["last"]


def test_an_invocation_whose_connection_a_child_process_holds_open(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.runtime.send(encoded.start("a", "unfinished"))
        parts.shut_down()
        assert parts.backend.names() == ["unfinished"]


@pytest.mark.parametrize("trouble", [status(503), otlp_backend.Last(), None])
def test_what_fails_is_tried_again_while_there_is_time(
    tmp_path: Path, trouble: bytes | None
) -> None:
    with world(tmp_path) as parts:
        parts.invoke("before")
        parts.backend.respond = Script(trouble, trouble, trouble, trouble, OK)
        parts.runtime.send(encoded.logs(["last"]))
        assert parts.shut_down() > 0.2
        assert parts.backend.names("logs")[-1] == "last"
        kept, *more = parts.forwarder.lines()
        assert "logs are kept" in kept
        answered = trouble == status(503)
        own = "serverless-instrument: "
        # Repeated four times, and doubtful once.
        assert more == ([] if answered else [f"{own}1 {DOUBTFUL} 1 logs"])


def test_what_was_kept_before_is_tried_whatever_the_breaker_says(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = Script(status(503, "Retry-After: 3600"), OK)
        parts.invoke("kept")
        parts.invoke("waiting")
        assert len(parts.backend.exports) == 1
        assert parts.shut_down() > 1.0
        assert parts.backend.names() == ["kept", "kept", "waiting"]


def test_a_backend_that_asks_for_more_time_than_there_is_ends_it_at_once(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        parts.backend.respond = lambda _: status(503, "Retry-After: 30")
        parts.runtime.send(encoded.logs(["lost", "lost too"]))
        assert parts.shut_down() > 1.0
        assert parts.forwarder.lines()[-1] == TWO_KEPT


@pytest.mark.parametrize("left_s", [0.5, 2.0])
def test_a_backend_that_hangs_does_not_hold_it_up(tmp_path: Path, left_s: float) -> None:
    with world(tmp_path, environ={"OTEL_METRICS_EXPORTER": "none"}) as parts:
        parts.backend.respond = Gate()
        parts.runtime.send(encoded.logs(["lost", "lost too"]))
        assert -0.5 < parts.shut_down(left_s) < 0.5
        # On its way at the end, and sent again by the next forwarder.
        assert parts.forwarder.lines()[-1] == f"{TWO_KEPT}; 2 {DOUBTFUL} 2 logs"


def test_a_backend_that_is_gone_is_tried_until_the_deadline_and_not_in_a_hurry(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as parts:
        parts.invoke("before")
        parts.backend.close()
        parts.runtime.send(encoded.logs(["lost"]))
        before_s = cpu_of_children_s()
        deadline_s = parts.api.shut_down()
        assert parts.forwarder.exit_status() == 0
        # It means to leave a quarter of a second; a busy machine takes its part of that.
        assert -0.5 < deadline_s - time.monotonic() < 0.8
        assert cpu_of_children_s() - before_s < 0.6
        (line,) = parts.forwarder.lines()[1:]
        assert line.startswith("serverless-instrument: 1 items were not delivered: 1 logs (kept")


def cpu_of_children_s() -> float:
    """CPU seconds of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("deadline_ms", [0, 1, 99_999_999_999_999])
def test_a_deadline_without_sense(tmp_path: Path, deadline_ms: int) -> None:
    with world(tmp_path) as parts:
        parts.runtime.send(encoded.logs(["last"]))
        parts.api.say(answer(200, {"eventType": "SHUTDOWN", "deadlineMs": deadline_ms}))
        assert parts.forwarder.exit_status() == 0
        if deadline_ms != 1:
            assert parts.backend.names("logs") == ["last"]


@pytest.mark.parametrize("reason", ["spindown", "TIMEOUT", "ReleaseFail", "failure", "", "new"])
def test_every_reason(tmp_path: Path, reason: str) -> None:
    with world(tmp_path) as parts:
        parts.api.shut_down(reason=reason)
        assert parts.forwarder.exit_status() == 0
        assert parts.forwarder.lines() == []


def test_in_the_middle_of_a_flush(tmp_path: Path) -> None:
    """Lambda does not do so, a signal may."""
    with world(tmp_path) as parts:
        gate = Gate()
        parts.backend.respond = gate
        parts.api.invoke("a")
        parts.runtime.send(encoded.start("a", "span"), encoded.end("a", "span"))
        parts.backend.wait_for(1)
        parts.forwarder.process.terminate()
        parts.runtime.send(encoded.logs(["late"]))
        gate.open()
        assert parts.forwarder.exit_status() == 0
        assert parts.backend.names() == ["span"]
