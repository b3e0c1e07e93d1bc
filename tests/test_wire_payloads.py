"""Payloads come out as they went in, and what is cut short is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_instrument import wire, wire_payloads

if TYPE_CHECKING:
    from collections.abc import Callable

# A time limit per example measures the machine's other load, not the code.
untimed = settings(deadline=None)


@untimed
@given(st.integers(0, 2**32 - 1), st.binary(max_size=255), st.binary())
def test_hello(pid: int, token: bytes, resource: bytes) -> None:
    payload = wire.pack_hello(pid, token, resource)
    assert wire_payloads.unpack_hello(payload) == (pid, token, resource)


U64 = st.integers(0, 2**64 - 1)


@untimed
@given(st.text(max_size=60), U64, U64, st.binary())
def test_request(request_id: str, time_unix_ns: int, deadline_unix_ms: int, batch: bytes) -> None:
    payload = wire.pack_request(request_id, time_unix_ns, deadline_unix_ms, batch)
    request = wire_payloads.RequestPayload(payload)
    found = (request.request_id, request.time_unix_ns, request.deadline_unix_ms, request.batch)
    assert found == (request_id, time_unix_ns, deadline_unix_ms, batch)


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        ("x" * 256, "x" * 255),
        ("é" * 128, "é" * 127 + "\ufffd"),
        ("\ud800", "?"),
    ],
)
def test_request_ids_of_any_text_and_length(request_id: str, expected: str) -> None:
    payload = wire.pack_request(request_id, 1, 2, b"batch")
    request = wire_payloads.RequestPayload(payload)
    found = (request.request_id, request.time_unix_ns, request.deadline_unix_ms, request.batch)
    assert found == (expected, 1, 2, b"batch")


@untimed
@given(st.binary(max_size=300), st.binary(), st.integers(0, 2**32 - 1))
def test_batch(scope: bytes, items: bytes, count: int) -> None:
    assert wire_payloads.unpack_batch(wire.pack_batch(scope, items, count)) == (scope, items, count)


@pytest.mark.parametrize(
    ("whole", "unpack", "shortest"),
    [
        (wire.pack_hello(1, b"token", b""), wire_payloads.unpack_hello, 10),
        (wire.pack_request("request", 1, 2, b""), wire_payloads.RequestPayload, 35),
        (wire.pack_batch(b"scope", b"", 1), wire_payloads.unpack_batch, 11),
    ],
)
def test_a_truncated_payload_is_a_protocol_error(
    whole: bytes, unpack: Callable[[bytes], object], shortest: int
) -> None:
    assert len(whole) == shortest
    unpack(whole)
    for length in range(shortest):
        with pytest.raises(wire.ProtocolError, match="short"):
            unpack(whole[:length])


@untimed
@given(st.binary(max_size=60))
def test_any_payload_raises_protocol_errors_only(payload: bytes) -> None:
    for unpack in (
        wire_payloads.unpack_hello,
        wire_payloads.RequestPayload,
        wire_payloads.unpack_batch,
    ):
        try:
            unpack(payload)
        except wire.ProtocolError:
            continue


@given(st.text(max_size=300), st.lists(st.binary(max_size=50)))
def test_lines_come_out_as_they_went_in(request_id: str, lines: list[bytes]) -> None:
    digests = [wire.line_digest(line) for line in lines]
    found, unpacked = wire_payloads.unpack_lines(wire.pack_lines(request_id, digests))
    assert found == request_id.encode("utf-8", "replace")[:255].decode("utf-8", "replace")
    assert unpacked == b"".join(digests)


@pytest.mark.parametrize("payload", [b"", b"\x05four", b"\x02id1234567", b"\x00123456789"])
def test_a_lines_frame_that_is_cut_short_is_refused(payload: bytes) -> None:
    with pytest.raises(wire.ProtocolError, match="LINES"):
        wire_payloads.unpack_lines(payload)


@pytest.mark.parametrize(
    ("count", "said"), [(0, 0), (1, 1), (2**32 - 1, 2**32 - 1), (2**40, 2**32 - 1)]
)
def test_dropped(count: int, said: int) -> None:
    for what in (0, wire.METRICS):
        ((kind, payload),) = wire.FrameReader().feed(wire.dropped_frame(count, what))
        assert (kind, wire_payloads.unpack_dropped(payload)) == (wire.DROPPED, (said, what))


def test_a_dropped_frame_that_is_too_short() -> None:
    with pytest.raises(wire.ProtocolError, match="too short"):
        wire_payloads.unpack_dropped(b"\0\0\0\0")
