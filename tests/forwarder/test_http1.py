"""Responses are read whatever the split, and nothing but a response is."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.http1 import BadResponseError, ResponseParser
from tests.cost import least_cpu_ns

HEAD = b"HTTP/1.1 200 OK\r\n"
KIB, MIB = 1024, 1024 * 1024


class Response(NamedTuple):
    """Bytes on the wire and what they mean; `until_close`: the end of the stream ends the body."""

    data: bytes
    status: int
    body: bytes = b""
    keep_alive: bool = True
    until_close: bool = False


RESPONSES = {
    "content-length": Response(HEAD + b"Content-Length: 5\r\n\r\nhello", 200, b"hello"),
    "empty body": Response(HEAD + b"content-LENGTH:0\r\n\r\n", 200),
    "length given twice": Response(HEAD + b"Content-Length: 1\r\n" * 2 + b"\r\nx", 200, b"x"),
    "chunked": Response(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
        200,
        b"hello!",
    ),
    "chunked after another coding": Response(
        HEAD + b"Transfer-Encoding: gzip, Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200, b"x"
    ),
    "chunk extensions and trailers": Response(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        b'0A ;name="v";x\r\n\r\n89\r\n5678\r\n00;last\r\nChecksum: 1\r\nOther: 2\r\n\r\n',
        200,
        b"\r\n89\r\n5678",
    ),
    "chunked beats content-length": Response(
        HEAD + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        200,
        b"x",
    ),
    "interim responses first": Response(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n"
        + HEAD
        + b"Content-Length: 2\r\n\r\nok",
        200,
        b"ok",
    ),
    "no content": Response(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204),
    "not modified": Response(
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304
    ),
    "no reason phrase": Response(b"HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", 503),
    "header without colon": Response(HEAD + b"odd\r\nContent-Length: 1\r\n\r\nx", 200, b"x"),
    "close": Response(
        HEAD + b"Connection: Close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", keep_alive=False
    ),
    "close among options": Response(
        HEAD + b"Connection: TE, close\r\nContent-Length: 0\r\n\r\n", 200, keep_alive=False
    ),
    "HTTP/1.0": Response(
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", keep_alive=False
    ),
    "HTTP/1.0 keep-alive": Response(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, b"x"
    ),
    "until close": Response(
        HEAD + b"\r\nall of it", 200, b"all of it", keep_alive=False, until_close=True
    ),
    "another coding until close": Response(
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\nall",
        200,
        b"all",
        keep_alive=False,
        until_close=True,
    ),
}


def parse(pieces: list[bytes], *, end: bool) -> ResponseParser:
    parser = ResponseParser()
    for piece in pieces:
        parser.receive_data(piece)
    if end:
        parser.end_of_stream()
    return parser


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def check(response: Response, pieces: list[bytes]) -> None:
    parser = parse(pieces, end=response.until_close)
    assert parser.complete
    assert (parser.status, bytes(parser.body)) == (response.status, response.body)
    assert parser.keep_alive == response.keep_alive


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_one_piece_byte_by_byte_and_every_split_in_two(response: Response) -> None:
    data = response.data
    check(response, [data])
    check(response, [data[index : index + 1] for index in range(len(data))])
    for cut in range(len(data) + 1):
        check(response, [data[:cut], data[cut:]])


@given(st.sampled_from(list(RESPONSES.values())), st.lists(st.integers(0, 500), max_size=8))
def test_any_split(response: Response, cuts: list[int]) -> None:
    check(response, split(response.data, cuts))


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_a_response_that_is_cut_off_is_refused_at_the_end_of_the_stream(response: Response) -> None:
    complete_from = (
        response.data.index(b"\r\n\r\n") + 4 if response.until_close else len(response.data)
    )
    for cut in range(complete_from):
        parser = parse([response.data[:cut]], end=False)
        with pytest.raises(BadResponseError, match="closed before"):
            parser.end_of_stream()


def test_headers_have_lower_case_names_and_the_last_of_several_counts() -> None:
    parser = parse(
        [HEAD + b"X-A: 1\r\nx-a:  two  \r\nRETRY-AFTER: 7\r\nContent-Length: 0\r\n\r\n"], end=False
    )
    assert parser.headers == {"x-a": "two", "retry-after": "7", "content-length": "0"}


def test_headers_of_an_interim_response_are_not_the_answers() -> None:
    parser = parse(
        [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n"],
        end=False,
    )
    assert parser.headers == {"content-length": "0"}


def test_started_tells_whether_the_peer_has_said_anything() -> None:
    assert not ResponseParser().started
    assert parse([b"H"], end=False).started
    interim = parse([b"HTTP/1.1 100 Continue\r\n\r\n"], end=False)
    assert (interim.started, interim.complete) == (True, False)


def test_bytes_after_the_answer_end_the_connections_use() -> None:
    parser = parse([HEAD + b"Content-Length: 1\r\n\r\nxHTTP/1.1"], end=False)
    assert parser.complete
    assert not parser.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2\xb20 OK\r\n\r\n",
        b"\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: +1\r\n\r\n",
        HEAD + b"Content-Length: 1,1\r\n\r\n",
        HEAD + b"Content-Length: \xb2\r\n\r\n",
        HEAD + b"Content-Length:\r\n\r\n",
        HEAD + b"Content-Length: 1234567890123456\r\n\r\n",
        *(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + rest
            for rest in (
                b"\r\n",
                b"x\r\n",
                b"-1\r\n",
                b"+1\r\n",
                b"0x1\r\n",
                b"1_0\r\n",
                b";x\r\n",
                b"0000000000000001\r\n",
                b"800001\r\n",
                b"1\r\nx0\r\n",
                b"1\r\nxy\r\n",
            )
        ),
    ],
)
def test_what_is_no_response_is_refused(data: bytes) -> None:
    with pytest.raises(BadResponseError):
        parse([data], end=False)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nX: " + bytes(65 * KIB),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + bytes(65 * KIB),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + bytes(65 * KIB),
        HEAD + b"\r\n" + bytes(9 * MIB),
        HEAD + b"Content-Length: 9437184\r\n\r\n" + bytes(9 * MIB),
        HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"400000\r\n" + bytes(4 * MIB) + b"\r\n") * 3,
    ],
)
def test_more_than_is_reasonable_is_refused(data: bytes) -> None:
    with pytest.raises(BadResponseError, match="too long"):
        parse([data], end=False)


PARTS = st.sampled_from(
    [
        *(b"HTTP/1.1 ", b"200 OK", b"100 ", b"\r\n", b"\r\n\r\n", b"Content-Length: ", b"chunked"),
        *(
            b"Transfer-Encoding: ",
            b"0",
            b"1",
            b"5",
            b"a",
            b";",
            b":",
            b"Connection: close",
            b"\xff",
        ),
    ]
)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(PARTS, max_size=30).map(b"".join),
        st.lists(PARTS, max_size=30).map(lambda parts: HEAD + b"".join(parts)),
    ),
    st.lists(st.integers(0, 300), max_size=5),
)
def test_garbage_raises_nothing_else_and_means_the_same_in_any_split(
    data: bytes, cuts: list[int]
) -> None:
    assert outcome([data]) == outcome(split(data, cuts))


def outcome(pieces: list[bytes]) -> object:
    try:
        parser = parse(pieces, end=True)
    except BadResponseError:
        return "refused"
    return parser.status, parser.headers, bytes(parser.body)


def cost_ns(data: bytes) -> int:
    """The least processor time of three that feeding `data` byte by byte takes."""

    def feed() -> None:
        parser = ResponseParser()
        for index in range(len(data)):
            parser.receive_data(data[index : index + 1])
        assert parser.status == 200

    return least_cpu_ns(feed, 3)


@pytest.mark.parametrize("framing", [b"Content-Length: 262144\r\n\r\n", b"\r\n"])
def test_a_body_byte_by_byte_costs_in_proportion_to_its_length(framing: bytes) -> None:
    small, large = (cost_ns(HEAD + framing + bytes(size)) for size in (16 * KIB, 256 * KIB))
    # 16 for linear work, 256 for quadratic; the machine is noisy.
    assert large / small < 80
