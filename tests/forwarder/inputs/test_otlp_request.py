"""Requests to the OTLP receiver, in any split, and the answers to them."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.http1 import BadMessageError
from serverless_instrument.forwarder.http1_server import (
    BODY_LIMIT_BYTES,
    RequestParser,
    TooLongError,
)
from serverless_instrument.forwarder.inputs import otlp_request
from serverless_instrument.forwarder.inputs.otlp_request import BadRequestError
from tests.forwarder import encoded


def whole(signal: str, *names: str) -> bytes:
    """An encoded export request."""
    batch = Batch()
    items = encoded.items(signal, list(names))
    batch.add_items(signal, encoded.resource(), encoded.scope(), items, len(names))
    return batch.take_exports()[0].body


def post(body: bytes, target: str = "/v1/traces", **fields: str) -> bytes:
    headers = {"content-type": "application/x-protobuf", "content-length": str(len(body))}
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"POST {target} HTTP/1.1", "host: x", *[f"{n}: {v}" for n, v in headers.items() if v]]
    return "\r\n".join([*lines, "", ""]).encode() + body


def parsed(*parts: bytes) -> RequestParser:
    parser = RequestParser()
    for part in parts:
        parser.receive_data(part)
    return parser


def refused(data: bytes) -> BadRequestError:
    parser = RequestParser()
    try:
        parser.receive_data(data)
        assert parser.complete
        otlp_request.parse_export(parser)
    except BadMessageError as unusable:
        return BadRequestError(413 if isinstance(unusable, TooLongError) else 400, "")
    except BadRequestError as error:
        answer = otlp_request.refusal_response(error, parser, keep_alive=True)
        head = f"HTTP/1.1 {error.status} "
        assert answer.startswith(head.encode())  # what is returned goes further
        return error
    raise AssertionError("it was taken")


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_every_signal(signal: str) -> None:
    body = whole(signal, "a", "b")
    assert otlp_request.parse_export(parsed(post(body, f"/v1/{signal}"))) == (signal, body, 2)


@given(st.integers(1, 40), st.booleans())
def test_any_split_counted_or_chunked(size: int, chunked: bool) -> None:
    body = whole("traces", "a")
    if chunked:
        data = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:7], body[7:])) + b"0\r\n\r\n"
        message = post(data, content_length="", transfer_encoding="chunked")
    else:
        message = post(body)
    parser = parsed(*[message[i : i + size] for i in range(0, len(message), size)], b"POST /next")
    assert parser.complete
    assert otlp_request.parse_export(parser) == ("traces", body, 1)
    assert not parser.next_parser().complete


def test_gzip_and_parameters_of_the_content_type() -> None:
    body = whole("traces", "a")
    message = post(
        gzip.compress(body), content_encoding="gzip", content_type="Application/X-Protobuf; a=b"
    )
    assert otlp_request.parse_export(parsed(message)) == ("traces", body, 1)


def test_bodies_join_with_what_the_runtime_sent() -> None:
    batch = Batch()
    batch.add_request("traces", whole("traces", "theirs"), 1)
    batch.add_items(
        "traces", encoded.resource(), encoded.scope(), encoded.items("traces", ["ours"]), 1
    )
    batch.add_request("traces", b"", 0)
    (export,) = batch.take_exports()
    assert export.count == 2
    decoded = ExportTraceServiceRequest.FromString(export.body)
    names = [s.name for r in decoded.resource_spans for p in r.scope_spans for s in p.spans]
    assert sorted(names) == ["ours", "theirs"]


LONG = "a" * 70_000


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"POST /v1/traces HTTP/2\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"POST " + LONG.encode(), 400),
        (post(b"", content_length="-1"), 400),
        (post(b"", content_length="1" * 12), 413),
        (post(b"", content_length=str(BODY_LIMIT_BYTES + 1)), 413),
        (post(b"x", transfer_encoding="chunked"), 400),
        (post(b"x", content_length="", transfer_encoding="gzip, chunked"), 400),
        (post(b"zz\r\n", content_length="", transfer_encoding="chunked"), 400),
        (b"GET /v1/traces HTTP/1.1\r\n\r\n", 405),
        (post(b"", "/"), 404),
        (post(b"", "/v1/profiles"), 404),
        (post(b"{}", content_type="application/json"), 415),
        (post(b"", content_type=""), 415),
        (post(b"x", content_encoding="br"), 415),
        (post(b"x", content_encoding="gzip"), 400),
        (post(gzip.compress(b"x" * 99)[:-9], content_encoding="gzip"), 400),
        (post(gzip.compress(bytes(50_000_000)), content_encoding="gzip"), 413),
        (post(b"x"), 400),
        (post(b"\x12\x00"), 400),  # a field that no export request has
        (post(b"\x0a\x03\x12\x01\x08"), 400),
        (post(b"\x08\x01"), 400),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    assert refused(data).status == status


def test_a_chunked_body_is_bounded() -> None:
    parser = parsed(post(b"", content_length="", transfer_encoding="chunked"))
    chunk = b"f4240\r\n" + bytes(1_000_000) + b"\r\n"
    for _ in range(4):
        parser.receive_data(chunk)
    with pytest.raises(TooLongError):
        parser.receive_data(chunk)


def test_an_empty_body_is_an_empty_request() -> None:
    assert otlp_request.parse_export(parsed(post(b"")))[2] == 0


def test_the_answer_to_json_is_json_and_names_the_remedy() -> None:
    message = post(b"{}", content_type="application/json")
    error = refused(message)
    answer = otlp_request.refusal_response(error, parsed(message), keep_alive=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in json.loads(body)["message"]


def test_continue_is_asked_for_once_the_head_is_here() -> None:
    message = post(b"body", expect="100-continue")
    parser = parsed(message[:-4])
    assert parser.wants_continue
    assert not parser.complete
    parser.receive_data(b"body")
    assert parser.complete


@given(st.binary(max_size=300))
def test_garbage_is_taken_or_refused_and_nothing_else(data: bytes) -> None:
    for message in (data, post(data), post(zlib.compress(data, wbits=31), content_encoding="gzip")):
        parser = RequestParser()
        try:
            parser.receive_data(message)
            if parser.complete:
                otlp_request.parse_export(parser)
        except BadMessageError:
            continue
        except BadRequestError as error:
            said = otlp_request.refusal_response(error, parser, keep_alive=False)
            assert said.startswith(b"HTTP/1.1 4")
