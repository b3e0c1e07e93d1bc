"""The real process under every flush strategy: when it sends, nothing lost, nothing doubled."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest

from tests.forwarder import encoded
from tests.forwarder.running import eventually, world
from tests.servers.otlp_backend import OK, Gate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp_backend import Export

pytestmark = pytest.mark.integration

STRATEGIES = ["adaptive", "end", "periodically,50", "continuously,20"]
INVOCATIONS = 1000
NONE = {"OTEL_METRICS_EXPORTER": "none"}


def flushing(strategy: str) -> dict[str, str]:
    return {"SERVERLESS_INSTRUMENT_FLUSH": strategy, **NONE}


@pytest.mark.variants(1)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_span_once_over_a_thousand_freezes(tmp_path: Path, strategy: str) -> None:
    with world(tmp_path, environ=flushing(strategy)) as parts:
        names = [f"span {number}" for number in range(INVOCATIONS)]
        for name in names:
            parts.invoke(name)
            with parts.forwarder.frozen():  # until it has really stopped
                pass
        parts.shut_down()
        assert sorted(parts.backend.names()) == sorted(names)
        assert parts.forwarder.lines() == []


@pytest.mark.variants(2)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frozen_while_requests_are_on_their_way(tmp_path: Path, strategy: str) -> None:
    with world(tmp_path, environ=flushing(strategy)) as parts:

        def slowly(_: Export) -> bytes:
            time.sleep(0.05)
            return OK

        parts.backend.respond = slowly
        names = [f"span {number}" for number in range(40)]
        for name in names:
            parts.invoke(name)
            with parts.forwarder.frozen():
                time.sleep(0.02)  # some answers come while nobody reads them
        parts.shut_down()
        assert sorted(parts.backend.names()) == sorted(names)
        assert parts.forwarder.lines() == []


@pytest.mark.parametrize("answered", ["while frozen", "after the thaw"])
def test_a_freeze_longer_than_the_exporters_timeout(tmp_path: Path, answered: str) -> None:
    environ = {**flushing("continuously,10"), "OTEL_EXPORTER_OTLP_TIMEOUT": "2000"}
    with world(tmp_path, environ=environ) as parts:
        gate = Gate()
        parts.backend.respond = gate
        parts.invoke("first")
        parts.backend.wait_for(1)  # by the timer
        with parts.forwarder.frozen():
            if answered == "while frozen":
                gate.open()
            time.sleep(2.5)
        time.sleep(0.05)
        gate.open()
        parts.invoke("second")
        parts.shut_down()
        assert parts.backend.names() == ["first", "second"]
        assert parts.forwarder.lines() == []


@pytest.mark.timing
def test_adaptive_batches_a_busy_function_and_adds_nothing_to_it(tmp_path: Path) -> None:
    with world(tmp_path) as parts:

        def slowly(_: Export) -> bytes:
            time.sleep(0.1)
            return OK

        parts.backend.respond = slowly
        first_s = [parts.invoke(f"span {number}") for number in range(19)]
        then_s = [parts.invoke(f"span {number}") for number in range(19, 120)]
        assert len(parts.backend.exports) <= 22
        assert min(first_s) >= 0.1
        assert statistics.median(then_s) < 0.05
        parts.shut_down()
        assert sorted(parts.backend.names()) == sorted(f"span {number}" for number in range(120))


def test_what_is_due_is_sent_at_the_start_of_an_invocation(tmp_path: Path) -> None:
    with world(tmp_path, environ=flushing("periodically,2000")) as parts:
        parts.invoke("first")
        assert parts.backend.names() == []
        with parts.forwarder.frozen():
            time.sleep(2.1)
        parts.api.invoke("b")
        parts.backend.wait_for(1)
        parts.runtime.send(encoded.start("b", "second"), encoded.end("b", "second"))
        parts.api.wait_for_next(3)
        assert parts.backend.names() == ["first"]
        parts.shut_down()
        assert parts.backend.names() == ["first", "second"]


@pytest.mark.parametrize(
    ("strategy", "waits"), [("periodically,2000", True), ("continuously,2000", False)]
)
def test_a_flush_that_began_at_the_start(tmp_path: Path, strategy: str, *, waits: bool) -> None:
    with world(tmp_path, environ=flushing(strategy)) as parts:
        parts.invoke("first")
        with parts.forwarder.frozen():
            time.sleep(2.1)
        gate = Gate()
        parts.backend.respond = gate
        parts.api.invoke("b")
        parts.backend.wait_for(1)
        parts.runtime.send(encoded.start("b", "second"), encoded.end("b", "second"))
        if waits:
            assert len(parts.api.nexts) == 2
            gate.open()
        parts.api.wait_for_next(3)
        gate.open()
        parts.shut_down()
        assert parts.backend.names() == ["first", "second"]


@pytest.mark.parametrize("strategy", ["periodically,100", "continuously,100"])
def test_a_long_invocation_does_not_keep_everything_to_its_end(
    tmp_path: Path, strategy: str
) -> None:
    with world(tmp_path, environ=flushing(strategy)) as parts:
        parts.api.invoke("a")
        for number in range(3):
            parts.runtime.send(encoded.logs([f"line {number}"]))
            parts.backend.wait_for(number + 1)
        assert parts.backend.names("logs") == ["line 0", "line 1", "line 2"]
        assert len(parts.api.nexts) == 1


def test_managed_instances_are_served_by_a_timer(tmp_path: Path) -> None:
    environ = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances", **NONE}
    with world(tmp_path, environ=environ) as parts:
        for number in range(50):
            request_id = f"request {number}"
            parts.runtime.send(encoded.start(request_id), encoded.end(request_id, str(number)))
        eventually(lambda: len(parts.backend.names()) == 50, "everything is delivered")
        assert len(parts.backend.exports) < 10
        parts.shut_down()


def test_a_busy_function_whose_environment_ends(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        names = [f"span {number}" for number in range(60)]
        for name in names:
            parts.invoke(name)
        assert len(parts.backend.names()) < 60
        assert parts.shut_down() > 0.5
        assert sorted(parts.backend.names()) == sorted(names)


def test_a_bad_value_is_one_line(tmp_path: Path) -> None:
    with world(tmp_path, environ={"SERVERLESS_INSTRUMENT_FLUSH": "sometimes"}) as parts:
        parts.invoke("span")
        (line,) = parts.forwarder.lines()
        assert line.startswith('serverless-instrument: SERVERLESS_INSTRUMENT_FLUSH="sometimes" ')
