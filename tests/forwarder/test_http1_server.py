"""Requests to our listeners in every shape that HTTP/1.1 allows, and in those that it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.http1 import BadMessageError
from serverless_instrument.forwarder.http1_server import RequestParser, response

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n[{}]"
CHUNKED = (
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"1;ext=1\r\n[\r\n3\r\n{}]\r\n0\r\nTrailer: 1\r\n\r\n"
)


def parsed(data: bytes) -> RequestParser:
    parser = RequestParser()
    parser.receive_data(data)
    return parser


@pytest.mark.parametrize(("data", "target"), [(POST, "/"), (CHUNKED, "/a")])
def test_a_post(data: bytes, target: str) -> None:
    parser = parsed(data)
    assert parser.complete
    assert (parser.method, parser.target, bytes(parser.body)) == ("POST", target, b"[{}]")
    assert parser.keep_alive


@given(st.lists(st.sampled_from([POST, CHUNKED]), min_size=1, max_size=4), st.data())
def test_requests_in_any_split(requests: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parser, bodies = RequestParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        parser.receive_data(stream[start:end])
        while parser.complete:
            bodies.append(bytes(parser.body))
            parser = parser.next_parser()
    assert bodies == [b"[{}]"] * len(requests)
    assert not parser.method


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        ("POST / HTTP/1.1\r\nConnection: close", False),
        ("POST / HTTP/1.1\r\nConnection: Keep-Alive", True),
        ("POST / HTTP/1.0", False),
        ("POST / HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_keep_alive(head: str, keep_alive: bool) -> None:
    parser = parsed(f"{head}\r\n\r\n".encode())
    assert (parser.complete, parser.keep_alive) == (True, keep_alive)


def test_a_peer_that_waits_to_be_told_to_go_on() -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"
    parser = parsed(head)
    assert (parser.complete, parser.wants_continue) == (False, True)
    assert not parsed(head.replace(b": 1\r", b": 0\r")).wants_continue


@pytest.mark.parametrize(
    "data",
    [
        b"SI\x01\x01\x00\x00\x00\x00\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"P?ST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1 x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 4194305\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n400001\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nX: " + b"x" * 70_000,
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessageError):
        parsed(data)


def test_chunks_beyond_the_limit_are_refused() -> None:
    parser = parsed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    for _ in range(4):
        parser.receive_data(chunk)
    with pytest.raises(BadMessageError, match="too long"):
        parser.receive_data(chunk)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_request_or_a_defect(noise: bytes, after_a_head: bool) -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" if after_a_head else b""
    try:
        parser = parsed(head + noise)
        while parser.complete:
            parser = parser.next_parser()
    except BadMessageError:
        return
    assert len(parser.body) <= 200


def test_answers() -> None:
    assert response(200, keep_alive=True) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert b"Connection: close\r\n" in response(405, keep_alive=False)
