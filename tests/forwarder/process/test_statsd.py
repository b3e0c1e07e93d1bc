"""The real process, and StatsD clients as functions use them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest
from datadog.dogstatsd.base import DogStatsd
from statsd import StatsClient

from serverless_instrument.forwarder.inputs.statsd_listener import listen
from tests.forwarder import encoded, measured
from tests.forwarder.running import eventually, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.forwarder.running import World

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def listening(directory: Path, **environ: str) -> Iterator[tuple[World, int]]:
    port = free_port()
    own = {
        "SERVERLESS_INSTRUMENT_STATSD": str(port),
        "SERVERLESS_INSTRUMENT_FLUSH": "end",
        "OTEL_METRICS_EXPORTER": "otlp",
    }
    with world(directory, environ={**own, **environ}) as parts:
        yield parts, port


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for datagram in datagrams:
            client.sendto(datagram, ("127.0.0.1", port))


def found(parts: World) -> list[measured.Series]:
    bodies = [export.body for export in parts.backend.exports if export.signal == "metrics"]
    return measured.of_requests(bodies)


def own_figures(parts: World, reason: str) -> float:
    """Items that the forwarder says it has dropped for `reason`; it shuts down."""
    # Its own figures go beside other data.
    parts.runtime.send(encoded.logs(["a line"]))
    parts.shut_down()
    figures = [
        float(series.point.as_int or series.point.as_double)
        for series in found(parts)
        if series.attributes.get("reason") == reason
    ]
    return sum(figures)


def values(parts: World) -> dict[str, float]:
    return {
        one.metric.name: one.point.as_int or getattr(one.point, "as_double", 0)
        if one.kind != "histogram"
        else one.point.sum
        for one in found(parts)
        if one.scope == "serverless_instrument.statsd"
    }


def test_the_statsd_client(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        client = StatsClient("127.0.0.1", port, prefix="shop")
        client.incr("orders", 3)
        client.decr("stock", 2)
        client.gauge("level", 5)
        client.gauge("level", 2, delta=True)
        client.timing("took", 320)
        client.set("users", "anna")
        with client.pipeline() as pipe:
            pipe.incr("orders")
            pipe.gauge("below", -4)
        client.close()
        parts.invoke("one")
        parts.shut_down()
        assert values(parts) == {
            "shop.orders": 4,
            "shop.stock": -2,
            "shop.level": 7,
            "shop.took": 320,
            "shop.users": 1,
            "shop.below": -4,
        }
        assert {series.service for series in found(parts)} == {"checkout"}
        assert parts.forwarder.lines() == []


def test_the_dogstatsd_client(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        client = DogStatsd(
            host="127.0.0.1", port=port, constant_tags=["env:test"], disable_telemetry=True
        )
        for _ in range(100):
            client.increment("orders", tags=["kind:book"])
        client.gauge("below", -4)
        client.gauge_with_timestamp("then", 7, int(time.time()) - 60)
        client.histogram("took", 0.25)
        client.distribution("size", 9)
        client.set("users", "anna")
        client.event("a title", "a text")
        client.service_check("a check", 0)
        client.stop()
        parts.invoke("one")
        parts.shut_down()
        expected = {"orders": 100, "below": -4, "then": 7, "took": 0.25, "size": 9, "users": 1}
        assert values(parts) == expected
        orders = next(series for series in found(parts) if series.metric.name == "orders")
        assert orders.attributes == {"env": "test", "kind": "book"}
        assert orders.metric.sum.is_monotonic


def test_what_is_sent_before_the_end_leaves_with_its_flush(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        for number in range(1, 31):
            send(port, b"orders:1|c")
            parts.invoke(f"i{number}")
            # Nothing holds metrics back but what leaves before them.
            eventually(lambda: values(parts) != {}, "metrics of this flush")
            assert values(parts) == {"orders": 1}, number
            parts.backend.exports.clear()


def test_a_datagram_before_the_first_invocation_is_not_lost(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        # No runtime speaks to this one: what is asked of it comes from its environment alone.
        send(port, b"at.init:1|c")
        parts.shut_down()
        assert values(parts) == {"at.init": 1}


def test_what_the_kernel_had_no_room_for_is_counted(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        with parts.forwarder.frozen():
            send(port, *[b"orders:1|c"] * 20_000)
        parts.invoke("one")
        lost = own_figures(parts, "StatsD socket full")
        received = sum(one.point.as_int for one in found(parts) if one.metric.name == "orders")
        assert 100 < received < 20_000
        assert received + lost == 20_000


def test_garbage_is_counted_and_said_once(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        send(port, b"garbage", os.urandom(512), b"orders:1|c", b"", b"\n\n", b"x" * 60_000)
        send(port, *[b"more:garbage|q"] * 50)
        parts.invoke("one")
        assert own_figures(parts, "malformed StatsD") >= 52
        assert values(parts) == {"orders": 1}
        said, losses = parts.forwarder.lines()
        assert "a StatsD line cannot be used: 'garbage'" in said
        assert "(malformed StatsD)" in losses


def test_a_port_in_use_is_said_and_survived(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with listening(tmp_path, SERVERLESS_INSTRUMENT_STATSD=str(port)) as (parts, _):
            parts.invoke("one")
            parts.shut_down()
            (said,) = parts.forwarder.lines()
            assert said == (
                f"serverless-instrument: no StatsD is received: cannot listen on 127.0.0.1:{port}: "
                "Address already in use; set SERVERLESS_INSTRUMENT_STATSD to a free port, and the "
                "client to the same"
            )


@pytest.mark.parametrize("setting", ["", "false"])
def test_nothing_listens_unless_it_is_asked_to(tmp_path: Path, setting: str) -> None:
    with listening(tmp_path, SERVERLESS_INSTRUMENT_STATSD=setting) as (parts, _):
        inodes = set()
        for descriptor in os.listdir(f"/proc/{parts.forwarder.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                inodes.add(os.readlink(f"/proc/{parts.forwarder.pid}/fd/{descriptor}"))
        with open("/proc/net/udp") as file:
            of_udp = {f"socket:[{line.split()[9]}]" for line in file.readlines()[1:]}
        assert not inodes & of_udp


def test_where_metrics_go_nowhere_clients_do_not_notice(tmp_path: Path) -> None:
    with listening(tmp_path, OTEL_METRICS_EXPORTER="none") as (parts, port):
        send(port, *[b"orders:1|c"] * 1000)
        parts.invoke("one")
        cpu_s = parts.forwarder.cpu_s()
        parts.shut_down()
        assert cpu_s < 5
        assert {export.signal for export in parts.backend.exports} == {"traces"}


def test_a_sender_without_an_end_does_not_hold_up_an_invocation(tmp_path: Path) -> None:
    with listening(tmp_path) as (parts, port):
        sender = os.fork()
        if not sender:  # a child that sends until it is ended
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    while True:
                        client.sendto(b"noise:1|c\n" * 100, ("127.0.0.1", port))
            finally:
                os._exit(0)
        try:
            eventually(lambda: parts.forwarder.cpu_s() > 0.2, "the forwarder reads")
            assert parts.invoke("one") < 20
        finally:
            os.kill(sender, signal.SIGKILL)
            os.waitpid(sender, 0)
        parts.shut_down()


def test_the_socket_is_on_loopback_alone() -> None:
    bound, problem = listen(0)
    assert problem == ""
    assert bound is not None
    assert bound.getsockname()[0] == "127.0.0.1"
    bound.close()
