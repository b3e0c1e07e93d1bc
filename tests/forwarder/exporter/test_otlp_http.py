"""Requests that an HTTP server understands, and the meaning of every answer."""

from __future__ import annotations

import gzip
import io
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from serverless_instrument import __version__
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.destinations.settings import Settings
from serverless_instrument.forwarder.exporter.otlp_http import (
    DELIVERED,
    REJECTED,
    RETRY,
    export_request,
    load_encoders,
    read_response,
)
from tests.forwarder import encoded

if TYPE_CHECKING:
    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.exporter.export import Export


class Parsed(BaseHTTPRequestHandler):
    """One request, read by the standard library's server without a socket."""

    def __init__(self, data: bytes) -> None:
        self.rfile = io.BufferedReader(io.BytesIO(data))
        self.wfile = io.BytesIO()
        self.raw_requestline = self.rfile.readline()
        self.valid = self.parse_request()
        length = int(self.headers["content-length"]) if self.valid else 0
        self.body = self.rfile.read(length)
        self.rest = self.rfile.read()


def export() -> Export:
    batch = Batch()
    items = encoded.items("traces", ["GET /"])
    batch.add_items("traces", encoded.resource(), encoded.scope(), items, 1)
    (only,) = batch.take_exports()
    return only


def destination(endpoint: str = "http://host:4318", **variables: str) -> Destination:
    environ = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
    settings = Settings({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **environ})
    assert settings.warnings == []
    return settings.destinations["traces"][0]


def parsed(destination: Destination) -> Parsed:
    found = Parsed(export_request(destination, export()))
    assert found.valid
    assert found.rest == b""
    return found


def test_protobuf_and_gzip() -> None:
    found = parsed(destination())
    assert (found.command, found.path, found.request_version) == ("POST", "/v1/traces", "HTTP/1.1")
    assert dict(found.headers) == {
        "host": "host:4318",
        "user-agent": f"serverless-instrument/{__version__}",
        "content-type": "application/x-protobuf",
        "content-encoding": "gzip",
        "content-length": str(len(found.body)),
    }
    assert gzip.decompress(found.body) == export().body


def test_uncompressed() -> None:
    found = parsed(destination(COMPRESSION="none"))
    assert found.headers["content-encoding"] is None
    assert found.body == export().body


def test_json() -> None:
    found = parsed(destination(PROTOCOL="http/json"))
    assert found.headers["content-type"] == "application/json"
    document = json.loads(gzip.decompress(found.body))
    assert document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "GET /"


def test_headers_of_the_settings() -> None:
    found = parsed(destination(HEADERS="API-Key=a%20b,user-agent=mine,host=virtual"))
    assert found.headers["api-key"] == "a b"
    assert found.headers.get_all("user-agent") == ["mine"]
    assert found.headers.get_all("host") == ["virtual"]


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://host", "host"),
        ("http://host:80", "host"),
        ("http://host:443", "host:443"),
        ("https://host", "host"),
        ("https://host:443", "host"),
        ("https://host:80", "host:80"),
        ("http://[::1]:4318", "[::1]:4318"),
        ("https://[::1]", "[::1]"),
    ],
)
def test_the_host_field_names_the_port_unless_it_is_the_schemes_own(
    endpoint: str, host: str
) -> None:
    assert parsed(destination(endpoint)).headers["host"] == host


@given(
    st.text(max_size=30),
    st.text(max_size=30),
    st.lists(
        st.sampled_from(["a=", "%0d%0a", "\r\n", ",", "x: y", "content-length=3", "=", "\0", "%"]),
        max_size=6,
    ).map("".join),
)
def test_no_setting_injects_a_header_or_another_request(path: str, host: str, headers: str) -> None:
    for endpoint in (f"http://host/{path}", f"http://{host}"):
        settings = Settings(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_HEADERS": headers,
                "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            }
        )
        if "traces" in settings.destinations:
            chosen = settings.destinations["traces"][0]
            found = parsed(chosen)
            ours = {"host", "user-agent", "content-type", "content-length"}
            assert {name.lower() for name in found.headers} == ours | set(chosen.headers)
            assert found.body == export().body


@pytest.mark.parametrize("variables", [{}, {"COMPRESSION": "none"}, {"PROTOCOL": "http/json"}])
def test_preparing_loads_and_changes_nothing(variables: dict[str, str]) -> None:
    chosen = destination(**variables)
    before = export_request(chosen, export())
    load_encoders(chosen)
    assert export_request(chosen, export()) == before


@pytest.mark.parametrize("status", [*HTTPStatus, 299, 599, 999])
def test_the_meaning_of_every_status(status: int) -> None:
    kind = read_response(int(status), {}, b"").kind
    if 200 <= status < 300:
        assert kind == DELIVERED
    elif status in (429, 502, 503, 504):
        assert kind == RETRY
    else:
        assert kind == REJECTED


def test_the_reason_is_one_printable_line_and_not_all_of_the_body() -> None:
    found = read_response(400, {}, b" bad\r\n\x1b[31m request \xff\x00 " + b"x" * 5000)
    assert found.reason.startswith("HTTP 400: bad   [31m request")
    assert found.reason.isprintable()
    assert found.reason.isascii()
    assert len(found.reason) < 250
    assert read_response(503, {}, b"").reason == "HTTP 503"
    assert read_response(503, {}, b"\r\n").reason == "HTTP 503"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("99999", 99999.0),
        ("100000", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u00b2", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_of_seconds(value: str, seconds: float | None) -> None:
    assert read_response(503, {"retry-after": value}, b"").retry_after_s == seconds
    assert read_response(400, {"retry-after": value}, b"").retry_after_s is None


def test_a_partial_success_is_delivered_with_a_reason() -> None:
    part = ExportTracePartialSuccess(rejected_spans=2, error_message="too\nold")
    body = ExportTraceServiceResponse(partial_success=part).SerializeToString()
    found = read_response(200, {"content-type": "application/x-protobuf"}, body)
    assert (found.kind, found.rejected, found.reason) == (DELIVERED, 2, "too old")


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"{}", b"\xff" * 9])
def test_a_success_is_one_whatever_the_body(body: bytes) -> None:
    for content_type in ("", "application/json", "text/html"):
        found = read_response(200, {"content-type": content_type}, body)
        assert (found.kind, found.rejected, found.reason) == (DELIVERED, 0, "")
