"""Payloads of the runtime's frames, unpacked; the forwarder's half of `wire`. Pure.

Apart from `wire`, which both processes load before anything else: the runtime never needs it, and
the forwarder not before its first event.
"""

from __future__ import annotations

from serverless_instrument.wire import (
    BATCH_HEAD,
    DIGEST_BYTES,
    DROPPED_HEAD,
    EMF_HEAD,
    HELLO_HEAD,
    REQUEST_HEAD,
    ProtocolError,
)


class RequestPayload:
    """Payload of START, OPEN, END or INIT_ERROR; `wire.pack_request` says what is in each.

    `request_id` is a str, `batch` bytes for `unpack_batch`, and the others are from 0 up:
    `time_unix_ns`, `deadline_unix_ms`, `facts` (a trigger and ``FACT_`` bits), `failed_items`, and
    `cpu_ns`, 0 where the runtime could not tell.

    Raises:
        ProtocolError: the payload is cut short.
    """

    __slots__ = (
        "batch",
        "cpu_ns",
        "deadline_unix_ms",
        "facts",
        "failed_items",
        "request_id",
        "time_unix_ns",
    )

    time_unix_ns: int
    deadline_unix_ms: int
    facts: int
    failed_items: int
    cpu_ns: int

    def __init__(self, payload: bytes) -> None:
        start = REQUEST_HEAD.size
        if len(payload) < start:
            raise ProtocolError("request frame is too short")
        (
            self.time_unix_ns,
            self.deadline_unix_ms,
            self.facts,
            length,
            self.failed_items,
            self.cpu_ns,
        ) = REQUEST_HEAD.unpack_from(payload)
        end = start + length
        if len(payload) < end:
            raise ProtocolError("request frame is shorter than its request id")
        self.request_id = payload[start:end].decode("utf-8", "replace")
        self.batch = payload[end:]


def unpack_hello(payload: bytes) -> tuple[int, bytes, bytes]:
    """(pid, token, resource) of a HELLO payload. Raises `ProtocolError` on a short one."""
    if len(payload) < HELLO_HEAD.size:
        raise ProtocolError("HELLO is too short")
    pid, token_length = HELLO_HEAD.unpack_from(payload)
    end = HELLO_HEAD.size + token_length
    if len(payload) < end:
        raise ProtocolError("HELLO is shorter than its token")
    return pid, payload[HELLO_HEAD.size : end], payload[end:]


def unpack_batch(payload: bytes) -> tuple[bytes, bytes, int]:
    """(scope, items, count) of a batch. Raises `ProtocolError` on a short one."""
    if len(payload) < BATCH_HEAD.size:
        raise ProtocolError("batch is too short")
    count, scope_length = BATCH_HEAD.unpack_from(payload)
    end = BATCH_HEAD.size + scope_length
    if len(payload) < end:
        raise ProtocolError("batch is shorter than its scope")
    return payload[BATCH_HEAD.size : end], payload[end:], count


def unpack_lines(payload: bytes) -> tuple[str, bytes]:
    """(request id, digests) of a LINES payload; the digests are joined, `DIGEST_BYTES` each.

    Raises:
        ProtocolError: the payload is cut short.
    """
    start = 1 + payload[0] if payload else 1
    if len(payload) < start or (len(payload) - start) % DIGEST_BYTES:
        raise ProtocolError("LINES frame is cut short")
    return payload[1:start].decode("utf-8", "replace"), payload[start:]


def unpack_dropped(payload: bytes) -> tuple[int, int]:
    """(count, kind) of a DROPPED payload. Raises `ProtocolError` on a short one."""
    if len(payload) < DROPPED_HEAD.size:
        raise ProtocolError("DROPPED is too short")
    count, kind = DROPPED_HEAD.unpack_from(payload)
    return count, kind


def unpack_emf(payload: bytes) -> tuple[str, int]:
    """(line, time_unix_ns) of an EMF payload. Raises `ProtocolError` on a short one."""
    if len(payload) < EMF_HEAD.size:
        raise ProtocolError("EMF is too short")
    time_unix_ns: int = EMF_HEAD.unpack_from(payload)[0]
    return payload[EMF_HEAD.size :].decode("utf-8", "replace"), time_unix_ns
