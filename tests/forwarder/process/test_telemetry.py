"""The real forwarder and a platform that posts telemetry, well or badly."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from serverless_instrument import wire
from tests.forwarder import encoded
from tests.forwarder.running import Forwarder, World, eventually, world
from tests.servers import extensions_api, otlp_backend
from tests.servers.otlp_backend import Gate
from tests.servers.raw_http import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

TIME = "2026-08-20T12:00:00.123Z"


class Platform:
    """Posts to the port that the forwarder has subscribed with."""

    opened: ClassVar[list[http.client.HTTPConnection]] = []
    posts: ClassVar[int] = 0

    def __init__(self, parts: World) -> None:
        request = parts.api.wait_for_subscription()
        self.asked = json.loads(request.body)
        self.port = int(self.asked["destination"]["URI"].rpartition(":")[2])
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.opened.append(self._connection)

    def post(self, *events: tuple[str, object]) -> int:
        """The status of the answer to events of (type, record), each of a time of its own."""
        Platform.posts += 1
        now = time.strftime("%Y-%m-%dT%H:%M:%S.999", time.gmtime()) + f"{Platform.posts:06d}Z"
        return self.post_body([{"time": now, "type": kind, "record": r} for kind, r in events])

    def post_body(self, document: object) -> int:
        """The status of the answer to one request."""
        body = json.dumps(document)
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        response.read()
        return response.status


@pytest.fixture(autouse=True)
def _connections() -> Iterator[None]:
    yield
    while Platform.opened:
        Platform.opened.pop().close()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[World]:
    yield from started(tmp_path)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[World]:
    yield from started(tmp_path, SERVERLESS_INSTRUMENT_DEV_MODE="true")


def started(directory: Path, **environ: str) -> Iterator[World]:
    with extensions_api.serving() as api, otlp_backend.serving() as backend:
        api.subscription = answer(200, "OK")
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}
        with Forwarder(directory, api.address, {**endpoint, **environ}) as forwarder:
            api.wait_for_next(1)
            api.wait(lambda: bool(api.subscriptions), "a subscription")
            yield World(api, backend, forwarder, forwarder.connect())


def line(text: str) -> tuple[str, object]:
    return ("function", text)


def begin(request_id: str) -> tuple[str, object]:
    return ("platform.start", {"requestId": request_id})


def done(request_id: str) -> tuple[str, object]:
    return ("platform.runtimeDone", {"requestId": request_id, "status": "success"})


def test_the_subscription(parts: World) -> None:
    platform = Platform(parts)
    assert platform.asked == {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
        "destination": {
            "protocol": "HTTP",
            "URI": f"http://sandbox.localdomain:{platform.port}",
        },
    }
    (request,) = parts.api.subscriptions
    assert request.headers["lambda-extension-identifier"] == extensions_api.IDENTIFIER
    # On loopback alone: another address of this machine is refused.
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", platform.port), timeout=5)


@pytest.mark.timing  # two connections, read by two threads of this process
def test_the_subscription_is_sent_before_next(parts: World) -> None:
    assert Platform(parts).port
    (request,) = parts.api.subscriptions
    assert request.received_s < parts.api.nexts[0].received_s


def test_next_does_not_wait_for_the_answer(tmp_path: Path) -> None:
    with extensions_api.serving() as api:
        gate = otlp_backend.Gate()
        api.on_subscribe = gate.wait
        with Forwarder(tmp_path, api.address, {}):
            api.wait_for_next(1)
            eventually(lambda: bool(api.subscriptions), "the subscription comes")
            gate.open()
            assert [request.path for request in api.subscriptions] == ["/2022-07-01/telemetry"]


def test_an_older_platform_gets_an_older_version(tmp_path: Path) -> None:
    with extensions_api.serving() as api:
        api.subscription = answer(400, {"errorType": "ValidationError"})
        with Forwarder(tmp_path, api.address, {}) as forwarder:
            said = forwarder.wait_for_line("telemetry subscription was refused with 400")
            assert "\n" not in said
            versions = [json.loads(r.body)["schemaVersion"] for r in api.subscriptions]
            assert versions == ["2025-01-29", "2022-12-13"]


@pytest.mark.parametrize(
    "refusal",
    [
        answer(403, {"errorType": "Telemetry.SubscriptionClosed"}),
        answer(500, {}),
        b"garbage\r\n\r\n",
    ],
)
def test_a_refusal_is_said_once_and_survived(tmp_path: Path, refusal: bytes) -> None:
    with extensions_api.serving() as api, otlp_backend.serving() as backend:
        api.subscription = refusal
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}
        with Forwarder(tmp_path, api.address, environ) as forwarder:
            api.wait_for_next(1)
            parts = World(api, backend, forwarder, forwarder.connect())
            forwarder.wait_for_line("telemetry")
            for _ in range(3):
                parts.invoke("span")
            assert len(forwarder.lines()) == 1
            parts.shut_down()


def test_an_emulator_without_telemetry_is_nothing_to_speak_of(tmp_path: Path) -> None:
    with world(tmp_path) as parts:
        port = int(
            json.loads(parts.api.wait_for_subscription().body)["destination"]["URI"].split(":")[2]
        )
        parts.invoke("span")

        def closed() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except ConnectionRefusedError:
                return True
            return False

        eventually(closed, "the listener is closed")
        assert parts.forwarder.lines() == []


def test_lines_that_the_runtime_has_not_sent_arrive_once(parts: World) -> None:
    platform = Platform(parts)
    parts.api.invoke("a")
    captured = wire.pack_lines("a", [wire.line_digest(b"captured")])
    parts.runtime.send(encoded.start("a"), wire.frame(wire.LINES, captured))
    assert platform.post(begin("a"), line("captured"), line("from C")) == 200
    parts.runtime.send(encoded.end("a"))
    parts.api.wait_for_next(2)
    assert platform.post(done("a"), line("after the end"), line("captured")) == 200
    parts.shut_down()
    assert parts.backend.names("logs") == ["from C", "after the end", "captured"]
    assert parts.forwarder.lines() == []


def test_without_an_end_the_platform_ends_the_invocation(parts: World) -> None:
    platform = Platform(parts)
    for number, request_id in enumerate(["a", "b"], 1):
        parts.api.invoke(request_id)
        parts.runtime.send(encoded.start(request_id))
        assert platform.post(done("of another"), begin(request_id), line(request_id)) == 200
        assert len(parts.api.nexts) == number
        # More than once: the platform is sure that INVOKE was there first, the test is not.
        eventually(
            lambda r=request_id, n=number: (  # type: ignore[misc] # its arguments are bound here
                platform.post(done(r)) == 200 and len(parts.api.nexts) > n
            ),
            "/next",
        )
    # What was late does not end another.
    parts.runtime.send(encoded.end("a"), encoded.end("b"))
    parts.invoke("span")
    parts.shut_down()
    assert parts.backend.names("logs") == ["a", "b"]


def test_an_end_of_an_earlier_attempt_told_late_ends_nothing(parts: World) -> None:
    platform = Platform(parts)
    parts.api.invoke("a")
    parts.runtime.send(encoded.start("a"))
    old = {"time": TIME, "type": "platform.runtimeDone", "record": {"requestId": "a"}}
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=30)
    connection.request("POST", "/", json.dumps([old]))
    assert connection.getresponse().status == 200
    connection.close()
    assert platform.post(line("x")) == 200
    assert len(parts.api.nexts) == 1
    parts.runtime.send(encoded.end("a"))
    parts.api.wait_for_next(2)
    parts.shut_down()


def test_dev_mode_sends_while_the_invocation_runs_and_waits_for_its_last_lines(dev: World) -> None:
    platform = Platform(dev)
    dev.api.invoke("a")
    dev.runtime.send(encoded.start("a", "GET /"), encoded.logs(["logged"]))
    assert platform.post(begin("a"), line("from C")) == 200
    eventually(lambda: len(dev.backend.names("logs")) == 3, "lines while it runs")
    assert set(dev.backend.names("logs")) == {"GET /", "logged", "from C"}
    dev.runtime.send(encoded.end("a"))
    eventually(lambda: len(dev.backend.names()) == 1, "the span")
    assert platform.post(line("last words"), done("a")) == 200
    dev.api.wait_for_next(2)
    assert dev.backend.names("logs")[-1] == "last words"
    # Where the platform says nothing, the end comes by itself.
    dev.invoke("span")
    dev.shut_down()


def test_lines_that_come_while_the_end_waits_for_the_backend_go_with_it(parts: World) -> None:
    platform, gate = Platform(parts), Gate()
    parts.backend.respond = gate
    parts.api.invoke("a")
    parts.runtime.send(encoded.start("a", "span"), encoded.end("a", "span"))
    parts.backend.wait_for(1)
    assert platform.post(begin("a"), line("C's last words"), done("a")) == 200
    gate.open()
    parts.api.wait_for_next(2)
    assert parts.backend.names("logs") == ["C's last words"]
    parts.shut_down()
    assert parts.backend.names("logs") == ["C's last words"]


def test_what_the_platform_dropped_is_counted_as_lost(parts: World) -> None:
    dropped = {"droppedRecords": 7, "droppedBytes": 700, "reason": "too slow"}
    assert Platform(parts).post(("platform.logsDropped", dropped)) == 200
    parts.invoke("span")
    parts.shut_down()
    said = parts.forwarder.lines()
    assert said[0].endswith("the platform dropped 7 log records: too slow")
    assert said[-1].endswith("7 items were not delivered: 7 logs (dropped by the platform)")


def test_what_is_posted_again_is_no_news(parts: World) -> None:
    again: list[dict[str, object]] = [
        {"time": TIME, "type": "platform.start", "record": {"requestId": "a"}},
        {"time": TIME, "type": "function", "record": "once"},
        {"time": TIME, "type": "function", "record": "twice"},
        {"time": TIME, "type": "function", "record": "twice"},
    ]
    # Over other connections: the one without an answer is given up.
    for _ in range(3):
        assert Platform(parts).post_body(again) == 200
    later = [{**again[1], "time": TIME.replace("123", "124")}]
    assert Platform(parts).post_body(later) == 200
    parts.invoke("span")
    parts.shut_down()
    assert parts.backend.names("logs") == ["once", "twice", "twice", "once"]


def test_garbage_of_others_costs_nothing(parts: World) -> None:
    platform = Platform(parts)
    for noise in (b"\x00\xff" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nX: " * 9000):
        # It may be closed by the forwarder at any moment.
        address = ("127.0.0.1", platform.port)
        with contextlib.suppress(OSError), socket.create_connection(address, 30) as other:
            other.sendall(noise)
            other.shutdown(socket.SHUT_WR)
            while other.recv(65536):
                pass
    idle = [socket.create_connection(("127.0.0.1", platform.port)) for _ in range(40)]
    assert (
        Platform(parts).post(begin("a"), line("kept"), ("platform.report", {"requestId": []}))
        == 200
    )
    for one in idle:
        one.close()
    with socket.create_connection(("127.0.0.1", platform.port), timeout=30) as other:
        other.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno array!")
        assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
    parts.forwarder.wait_for_line("a telemetry post cannot be read")
    parts.invoke("span")
    parts.shut_down()
    assert parts.backend.names("logs") == ["kept"]


def test_what_comes_in_a_stream_of_posts_is_bounded(parts: World) -> None:
    platform = Platform(parts)
    before_kib = parts.forwarder.peak_kib()
    platform.post(begin("a"))
    for number in range(60):
        texts = [f"{number}-{index}-" + "x" * 200 for index in range(1000)]
        digests = [wire.line_digest(text.encode()) for text in texts]
        parts.runtime.send(wire.frame(wire.LINES, wire.pack_lines("a", digests)))
        assert platform.post(*map(line, texts)) == 200
    parts.invoke("span")
    # 12 MB of lines have gone by; one post and what the interpreter makes of it stay.
    grown_kib = parts.forwarder.peak_kib() - before_kib
    parts.shut_down()
    assert parts.backend.names("logs") == []
    assert grown_kib < 6 * 1024
