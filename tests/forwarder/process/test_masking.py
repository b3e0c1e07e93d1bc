"""The real process with a mask: no input brings in what then leaves, nor what stays on disk."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument import wire
from tests.forwarder import encoded
from tests.forwarder.inputs.test_otlp_request import whole
from tests.forwarder.running import World, eventually, world
from tests.servers.otlp_backend import status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

SECRET = "4111-1111-1111-1111"
MASK = r"\d{4}-\d{4}-\d{4}-\d{4}=>CARD"
# Exponential on `SLOW`, which is of none of its shapes.
SLOW_MASK, SLOW = r"(\w+[.-]?)+@(\w+[.-]?)+=>EMAIL", "s" * 60 + "!"


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def masked_world(directory: Path, mask: str, **environ: str) -> Iterator[tuple[World, int, int]]:
    """(its parts, port of OTLP, port of StatsD)."""
    otlp, statsd = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    own = {
        "SERVERLESS_INSTRUMENT_MASK": mask,
        "SERVERLESS_INSTRUMENT_RECEIVER": str(otlp),
        "SERVERLESS_INSTRUMENT_STATSD": str(statsd),
        "SERVERLESS_INSTRUMENT_FLUSH": "end",
        "SERVERLESS_INSTRUMENT_DEV_MODE": "true",
        "OTEL_METRICS_EXPORTER": "otlp",
    }
    with world(directory, environ={**own, **environ}) as parts:
        yield parts, otlp, statsd


def span_with(text: str) -> Span:
    span = encoded.span(f"name {text}")
    span.attributes.append(encoded.pair("card", text))
    span.attributes.append(encoded.pair(f"key {text}", '{"deep": ["' + text + '"]}'))
    span.events.add(name=text).attributes.append(encoded.pair("a", text))
    span.links.add(trace_state=text).attributes.append(encoded.pair("a", text))
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=text))
    return span


def request(kind: int, request_id: str, items: bytes, count: int = 1) -> bytes:
    batch = wire.pack_batch(encoded.scope(f"scope-{SECRET}"), items, count)
    return wire.frame(kind, wire.pack_request(request_id, 5, 0, batch))


def send_everything(parts: World, otlp: int, statsd: int, text: str) -> None:
    """Over every way in, what has `text` in every place."""
    span = span_with(text).SerializeToString()
    tagged = wire.field(b"\x12", span)
    emf = (
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "N", "Dimensions": '
        f'[["card"]], "Metrics": [{{"Name": "n {text}"}}]}}]}}, "card": "{text}", "n {text}": 1}}'
    )
    parts.runtime.send(
        wire.frame(wire.HELLO, wire.pack_hello(1, b"", encoded.resource(f"shop {text}"))),
        request(wire.START, "crashes", span),
        request(wire.OPEN, "crashes", encoded.span(f"open {text}", 2).SerializeToString()),
        request(wire.START, "ends", span),
        wire.frame(wire.SPANS, wire.pack_batch(encoded.scope(text), tagged, 1)),
        encoded.logs([text, f'{{"card": "{text}"}}']),
        wire.frame(wire.METRICS, encoded.batch("metrics", [f"metric {text}"])),
        wire.emf_frame(emf, 5),
        request(wire.END, "ends", tagged),
        request(wire.INIT_ERROR, f"Error {text}", Span.Event(name=text).SerializeToString()),
    )
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", otlp, timeout=30)) as client:
        for signal in ("traces", "logs", "metrics"):
            headers = {"Content-Type": "application/x-protobuf"}
            client.request("POST", f"/v1/{signal}", whole(signal, f"their {text}"), headers)
            assert client.getresponse().read() == b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for line in (f"orders.{text}:1|c|#card:{text}", f"no line {text}"):
            datagrams.sendto(line.encode(), ("127.0.0.1", statsd))


def everything(parts: World) -> list[bytes]:
    lines = "\n".join(parts.forwarder.lines()).encode()
    return [lines, *[export.body for export in list(parts.backend.exports)]]


def test_nothing_that_is_masked_leaves_by_any_way(tmp_path: Path) -> None:
    with masked_world(tmp_path, MASK) as (parts, otlp, statsd):
        send_everything(parts, otlp, statsd, SECRET)
        eventually(parts.runtime.heard, "everything is read")
        parts.runtime.die()
        parts.shut_down()
        found = everything(parts)
        assert not [body for body in found if SECRET.encode() in body]
        joined = b"".join(found)
        for kept in (b"name CARD", b"their CARD", b"metric CARD", b"orders.CARD", b"shop CARD"):
            assert kept in joined
        # As many as without a mask: START's, OPEN's, END's, SPANS' and the third party's.
        assert len(parts.backend.names()) >= 4


def test_what_waits_on_disk_is_masked(tmp_path: Path) -> None:
    with masked_world(tmp_path, MASK) as (parts, otlp, statsd):
        parts.backend.respond = lambda _: status(503)
        send_everything(parts, otlp, statsd, SECRET)
        eventually(parts.runtime.heard, "everything is read")
        parts.runtime.die()
        parts.shut_down()
        files = [path.read_bytes() for path in (tmp_path / "run" / "spool").iterdir()]
        assert len(files) >= 3  # of each signal
        assert b"CARD" in b"".join(files)
        assert not [data for data in files if SECRET.encode() in data]


def test_a_pattern_that_takes_too_long_costs_no_time_and_lets_nothing_out(tmp_path: Path) -> None:
    with masked_world(tmp_path, SLOW_MASK) as (parts, otlp, statsd):
        send_everything(parts, otlp, statsd, SLOW)
        began_s = time.monotonic()
        parts.invoke("plain")
        assert time.monotonic() - began_s < 5
        parts.runtime.die()
        parts.shut_down()

        assert parts.forwarder.process.returncode == 0
        assert not [body for body in everything(parts) if SLOW.encode() in body]
        named = [line for line in parts.forwarder.lines() if "takes more than 20 ms" in line]
        assert len(named) == 1
        assert "SERVERLESS_INSTRUMENT_MASK" in named[0]


@pytest.mark.parametrize("name", ["INCLUDE", "EXCLUDE"])
def test_a_line_that_cannot_be_judged_stays(tmp_path: Path, name: str) -> None:
    rule = {f"SERVERLESS_INSTRUMENT_LOGS_{name}": r"(a+)+$"}
    with world(tmp_path, environ={**rule, "SERVERLESS_INSTRUMENT_FLUSH": "end"}) as parts:
        for _ in range(5):
            parts.runtime.send(encoded.logs(["a" * 50 + "!", "aa"]))
        parts.invoke("span")
        parts.shut_down()
        assert parts.backend.names() == ["span"]
        assert "a" * 50 + "!" not in parts.backend.names("logs")
        assert len([line for line in parts.forwarder.lines() if "does not leave" in line]) == 1


def test_limits_hold_where_no_pattern_can_be_used(tmp_path: Path) -> None:
    span = encoded.span("limited")
    span.attributes.append(encoded.pair("a", "abcdef"))
    items = wire.field(b"\x12", span.SerializeToString())
    with masked_world(tmp_path, "(", OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="3") as (parts, _, _):
        parts.runtime.send(wire.frame(wire.SPANS, wire.pack_batch(encoded.scope(), items, 1)))
        parts.invoke("span")
        parts.shut_down()
        joined = b"".join([export.body for export in parts.backend.exports])
        assert b"limited" in joined
        assert b"abc" in joined
        assert b"abcd" not in joined
