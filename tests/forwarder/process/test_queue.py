"""The real process and a backend in trouble: what that costs, what is kept, what is said."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from serverless_instrument import wire
from tests.forwarder import encoded
from tests.forwarder.running import World, eventually, world
from tests.servers import otlp_backend
from tests.servers.otlp_backend import OK, Gate, Last, Script, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.otlp_backend import Export

pytestmark = pytest.mark.integration

# The strategy under which every invocation would wait for the backend.
AT_END = {"SERVERLESS_INSTRUMENT_FLUSH": "end", "OTEL_METRICS_EXPORTER": "none"}


class Outage:
    """A backend that answers `trouble` until it is over; keeps what it took after that."""

    def __init__(self, parts: World, trouble: bytes | None) -> None:
        self.over = False
        self.taken: list[str] = []
        self.requests = 0
        self._trouble = trouble
        parts.backend.respond = self

    def __call__(self, export: Export) -> bytes | None:
        if not self.over:
            self.requests += 1
            return self._trouble
        self.taken += export.names()
        return OK


@pytest.mark.timing
@pytest.mark.parametrize("trouble", [status(503), status(429), None], ids=["503", "429", "reset"])
def test_an_outage_costs_next_to_nothing_and_nothing_is_lost(
    tmp_path: Path, trouble: bytes | None
) -> None:
    with world(tmp_path, environ=AT_END) as parts:
        outage = Outage(parts, trouble)
        began_s = time.monotonic()
        took_s = []
        for number in range(200):
            took_s.append(parts.invoke(f"span {number}"))
            time.sleep(0.01)  # so that probes are due while invocations go on
        lasted_s = time.monotonic() - began_s
        assert sorted(took_s)[100] < 0.02
        # Not one for each invocation, and never all that waits: at most 0.5 s apart and doubling.
        assert outage.requests <= 2 + lasted_s
        outage.over = True
        eventually(lambda: len(outage.taken) == 200, "all is delivered")
        parts.shut_down()
        assert sorted(outage.taken) == sorted(f"span {number}" for number in range(200))
        said = parts.forwarder.lines()
        assert "out of reach" in said[0]
        # A connection that ends without an answer leaves it open whether the request was taken.
        assert [("may arrive twice" in line) for line in said[1:]] == [True] * (trouble is None)


@pytest.mark.full
@pytest.mark.timing
@pytest.mark.timeout(180)
def test_a_minute_of_503(tmp_path: Path) -> None:
    with world(tmp_path, environ=AT_END) as parts:
        outage = Outage(parts, status(503))
        names = [f"span {number}" for number in range(240)]
        took_s = []
        over_at_s = time.monotonic() + 60.0
        for number, name in enumerate(names):
            took_s.append(parts.invoke(name))
            time.sleep(max(0.0, over_at_s - time.monotonic()) / (len(names) - number))
        assert statistics.median(took_s) < 0.02
        assert sum(took_s) < 5.0
        # After 1, 2, 4, … seconds: what probes is one request, and nobody waits for it.
        assert outage.requests <= 10
        outage.over = True
        parts.invoke("after it")
        parts.shut_down()
        assert sorted(outage.taken) == sorted([*names, "after it"])
        (line,) = parts.forwarder.lines()
        assert "out of reach" in line


def after(delay_s: float, response: bytes = OK) -> bytes:
    time.sleep(delay_s)
    return response


# What a backend does at first: with the first so many requests, or for ever.
BEHAVIOURS: dict[str, tuple[int, Callable[[], bytes | None]]] = {
    "answers at once": (0, lambda: OK),
    "refuses four requests": (4, lambda: status(503)),
    "answers after 300 ms": (1000, lambda: after(0.3)),
    "is slow and then refuses": (3, lambda: after(0.3, status(503))),
    "resets": (3, lambda: None),
    "answers with garbage": (3, lambda: b"\0\xff nonsense\r\n\r\n"),
    "closes each connection": (1000, lambda: Last(OK)),
    "asks for patience": (2, lambda: status(429, "Retry-After: 1")),
}


STRATEGIES = ["adaptive", "end", "periodically,50", "continuously,50"]


# Each behaviour under one strategy; the rest is left to `scripts/test --all`.
@pytest.mark.parametrize(
    ("behaviour", "strategy"),
    [
        pytest.param(behaviour, strategy, marks=() if number % 4 == place else pytest.mark.full)
        for number, behaviour in enumerate(BEHAVIOURS)
        for place, strategy in enumerate(STRATEGIES)
    ],
)
def test_every_invocation_is_answered_and_everything_arrives_once(
    tmp_path: Path, behaviour: str, strategy: str
) -> None:
    environ = {**AT_END, "SERVERLESS_INSTRUMENT_FLUSH": strategy}
    with world(tmp_path, environ=environ) as parts:
        limit, misbehave = BEHAVIOURS[behaviour]
        taken: list[str] = []
        seen: list[str] = []

        def respond(export: Export) -> bytes | None:
            seen.append(export.signal)
            said = misbehave() if len(seen) <= limit else OK
            if said == OK:
                taken.extend(export.names())
            return said

        parts.backend.respond = respond
        names = [f"span {number}" for number in range(25)]
        for name in names:
            assert parts.invoke(name) < 1.5
            with parts.forwarder.frozen():
                pass
        parts.shut_down()
        assert sorted(taken) == sorted(names)
        lines = parts.forwarder.lines()
        doubtful = [line for line in lines if "may arrive twice" in line]
        assert len(doubtful) == (behaviour in ("resets", "answers with garbage"))
        assert len(lines) - len(doubtful) <= 1


@pytest.mark.timing
def test_a_backend_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    environ = {**AT_END, "OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
    with world(tmp_path, environ=environ) as parts:
        parts.backend.respond = Gate()
        took_s = []
        for number in range(40):
            took_s.append(parts.invoke(f"span {number}"))
            time.sleep(0.05)  # so that breakers close and probes run into it again
        assert took_s[0] < 1.5
        assert sorted(took_s[1:])[len(took_s) // 2] < 0.02
        assert sum(took_s) < 3.0
        assert len(parts.backend.exports) >= 2


def test_a_backend_slower_than_the_budget_is_waited_for_less_and_less(tmp_path: Path) -> None:
    with world(tmp_path, environ=AT_END) as parts:

        def slowly(_: Export) -> bytes:
            time.sleep(1.2)
            return OK

        parts.backend.respond = slowly
        took_s = []
        for number in range(4):
            took_s.append(parts.invoke(f"span {number}"))
            parts.backend.wait_for(number + 1)
            time.sleep(1.3)
        assert [one > 0.8 for one in took_s] == [True, False, True, False]
        parts.shut_down()
        assert sorted(parts.backend.names()) == sorted(f"span {number}" for number in range(4))


def test_too_large_requests_are_sent_in_parts(tmp_path: Path) -> None:
    with world(tmp_path, environ=AT_END) as parts:
        taken: list[str] = []

        def at_most_300_bytes(export: Export) -> bytes:
            if len(export.body) > 300:
                return status(413, body=b"too large")
            taken.extend(export.names())
            return OK

        parts.backend.respond = at_most_300_bytes
        names = [f"line {number}" for number in range(100)]
        parts.runtime.send(encoded.logs([*names[:50], "x" * 400, *names[50:]]))
        parts.invoke("span")
        eventually(lambda: len(taken) == 101, "all but one are delivered")
        parts.shut_down()
        assert sorted(taken) == sorted([*names, "span"])
        refused, lost = parts.forwarder.lines()
        assert refused.endswith("1 logs items were refused: HTTP 413: too large")
        assert lost.endswith("1 items were not delivered: 1 logs (too large)")


def test_a_restart_delivers_what_the_last_forwarder_could_not(tmp_path: Path) -> None:
    with otlp_backend.serving() as absent:
        absent.close()
        with world(tmp_path, absent, AT_END) as parts:
            parts.runtime.send(encoded.logs(["line"]))
            for number in range(10):
                parts.invoke(f"span {number}")
            parts.shut_down()
            assert "11 items were not delivered: 10 traces (kept in /tmp" in str(
                parts.forwarder.lines()
            )
    spool = tmp_path / "run" / "spool"
    assert spool.stat().st_mode & 0o7777 == 0o700
    assert len(list(spool.iterdir())) == 2
    with world(tmp_path, environ=AT_END) as parts:
        parts.invoke("after")
        eventually(lambda: len(parts.backend.names("logs")) == 1, "the line is delivered")
        parts.shut_down()
        assert sorted(parts.backend.names()) == sorted(
            ["after", *(f"span {number}" for number in range(10))]
        )
        assert parts.forwarder.lines() == []
    assert list(spool.iterdir()) == []


def test_damaged_and_foreign_files_in_the_spool_are_counted_and_cost_nothing(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "run" / "spool"
    spool.mkdir(mode=0o700, parents=True)
    spool.parent.chmod(0o700)
    (spool / "00000000000000000001-1-1-5-traces.segment").write_bytes(b"SISP garbage")
    (spool / "notes.txt").write_text("mine")
    with world(tmp_path, environ=AT_END) as parts:
        parts.invoke("span")
        parts.shut_down()
        assert parts.backend.names() == ["span"]
        (line,) = parts.forwarder.lines()
        assert line.endswith("2 items were not delivered: 2 files (damaged on disk)")
    assert [path.name for path in spool.iterdir()] == ["notes.txt"]


def test_memory_overflows_to_disk_and_all_of_it_arrives(tmp_path: Path) -> None:
    environ = {**AT_END, "SERVERLESS_INSTRUMENT_QUEUE_BYTES": str(4 * 1024 * 1024)}
    with world(tmp_path, environ=environ) as parts:
        outage = Outage(parts, status(503))
        for number in range(20):
            parts.runtime.send(encoded.logs([f"{number}:" + "x" * 500_000]))
            parts.invoke(f"span {number}")
        assert len(list((tmp_path / "run" / "spool").iterdir())) > 1
        outage.over = True
        eventually(lambda: len(outage.taken) == 40, "all is delivered")
        parts.shut_down()
        assert len(set(outage.taken)) == 40
        assert list((tmp_path / "run" / "spool").iterdir()) == []


def test_without_a_spool_the_oldest_go(tmp_path: Path) -> None:
    environ = {
        **AT_END,
        "SERVERLESS_INSTRUMENT_QUEUE_BYTES": str(4 * 1024 * 1024),
        "SERVERLESS_INSTRUMENT_SPOOL_BYTES": "0",
    }
    with world(tmp_path, environ=environ) as parts:
        parts.backend.respond = lambda _: status(503)
        for number in range(20):
            parts.runtime.send(encoded.logs([f"{number}:" + "x" * 500_000]))
            parts.invoke(f"span {number}")
        parts.shut_down()
        line = parts.forwarder.lines()[-1]
        assert "40 items were not delivered: 20 logs (no room), 20 traces (no room)" in line
    assert not (tmp_path / "run" / "spool").exists()


def own_figures(parts: World) -> dict[str, float]:
    """Sums that the forwarder has reported of itself."""
    found: dict[str, float] = {}
    for export in parts.backend.exports:
        if export.signal != "metrics":
            continue
        request = ExportMetricsServiceRequest.FromString(export.body)
        for of in request.resource_metrics:
            assert of.resource.attributes[0].value.string_value == "checkout"
            for metric in [one for scope in of.scope_metrics for one in scope.metrics]:
                _, own, name = metric.name.rpartition("serverless_instrument.forwarder.")
                for point in metric.sum.data_points if own else ():
                    labels = ",".join(one.value.string_value for one in point.attributes)
                    found[f"{name} {labels}".strip()] = point.as_int or point.as_double
    return found


def test_figures_of_its_own_when_something_is_sent_anyway(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_METRICS_EXPORTER": "otlp"}) as parts:
        for number in range(3):
            parts.invoke(f"span {number}")
        parts.runtime.send(wire.dropped_frame(7), encoded.logs(["last"]))
        parts.shut_down()
        figures = own_figures(parts)
        assert figures["frames.received"] == 9  # HELLO, three times START and END, two more
        assert figures["items.sent traces"] == figures["items.received traces"] == 3
        assert figures["items.dropped frames,dropped in the runtime"] == 7
        assert 0 < figures["flush.time"] < 10
        (line,) = parts.forwarder.lines()
        assert line.endswith("7 items were not delivered: 7 frames (dropped in the runtime)")


def test_what_nobody_answered_is_counted_once_however_often_it_is_sent(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_METRICS_EXPORTER": "otlp"}) as parts:
        answers = Script(None, None, OK)
        parts.backend.respond = lambda export: answers(export) if export.signal == "traces" else OK
        parts.invoke("span")
        eventually(lambda: parts.backend.names() == ["span"] * 3, "it is sent until it is answered")
        parts.runtime.send(encoded.logs(["last"]))
        parts.shut_down()
        assert own_figures(parts)["items.unanswered traces"] == 1
        said = parts.forwarder.lines()[-1]
        assert said.endswith(": 1 items may arrive twice, nobody answered their requests: 1 traces")


def test_what_is_on_its_way_at_the_end_is_doubtful_and_sent_by_the_next(tmp_path: Path) -> None:
    with world(tmp_path, environ=AT_END) as parts:
        parts.backend.respond = Gate()
        parts.runtime.send(encoded.logs(["taken, perhaps"]))
        parts.shut_down(0.5)
        assert parts.backend.names("logs") == ["taken, perhaps"]
        assert "; 1 items may arrive twice" in parts.forwarder.lines()[-1]
    with world(tmp_path, environ=AT_END) as parts:
        parts.invoke("after")
        eventually(lambda: len(parts.backend.names("logs")) == 1, "the line is delivered")
        assert parts.backend.names("logs") == ["taken, perhaps"]
        parts.shut_down()
        assert parts.forwarder.lines() == []


def test_nothing_is_sent_for_the_figures_alone(tmp_path: Path) -> None:
    # Enhanced metrics would count the shutdown, which is the environment's.
    off = {"OTEL_METRICS_EXPORTER": "otlp", "SERVERLESS_INSTRUMENT_ENHANCED_METRICS": "false"}
    with world(tmp_path, environ=off) as parts:
        parts.shut_down()
        assert parts.backend.exports == []
