"""Payloads of the runtime's frames, unpacked; the forwarder's half of `wire`, pure.

Apart from `wire`, which both processes load before anything else: the runtime never needs it, and
the forwarder not before its first event.
"""

from __future__ import annotations

from serverless_instrument.wire import (
    BATCH_HEAD,
    DIGEST_BYTES,
    DROPPED_HEAD,
    HELLO_HEAD,
    RECORD,
    RECORD_HEAD,
    REQUEST_HEAD,
    TEXT_HEAD,
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


class TextPayload:
    """Payload of TEXT or RECORD; `wire.text_frame` says what is in each.

    `trace_id` and `span_id` are b"" where there is no span. `record` is None for a TEXT. `data` is
    `text` in bytes.

    Raises:
        ProtocolError: the payload is cut short.
    """

    __slots__ = (
        "bits",
        "data",
        "flags",
        "record",
        "request_id",
        "span_id",
        "text",
        "time_unix_ns",
        "trace_id",
    )

    time_unix_ns: int
    flags: int
    bits: int

    def __init__(self, kind: int, payload: bytes) -> None:
        start = TEXT_HEAD.size
        if len(payload) < start:
            raise ProtocolError("text frame is too short")
        (
            self.time_unix_ns,
            trace_id,
            span_id,
            self.flags,
            self.bits,
            length,
        ) = TEXT_HEAD.unpack_from(payload)
        self.trace_id: bytes = trace_id if any(trace_id) and any(span_id) else b""
        self.span_id: bytes = span_id if self.trace_id else b""
        end = start + length
        if len(payload) < end:
            raise ProtocolError("text frame is shorter than its request id")
        self.request_id = payload[start:end].decode("utf-8", "replace")
        self.record: RecordFacts | None = None
        if kind == RECORD:
            self.record = RecordFacts(payload, end)
            end = self.record.end
        self.data = memoryview(payload)[end:]
        self.text = str(self.data, "utf-8", "replace")


class RecordFacts:
    """What a record of ``logging`` says beside its text: `wire.RECORD_HEAD`; `end` is its end.

    Raises:
        ProtocolError: the payload is cut short.
    """

    __slots__ = (
        "attributes",
        "created_unix_ns",
        "end",
        "exception_type",
        "level",
        "level_number",
        "logger",
        "stack",
    )

    def __init__(self, payload: bytes, start: int) -> None:
        end = start + RECORD_HEAD.size
        if len(payload) < end:
            raise ProtocolError("RECORD is too short")
        created_unix_ns, number, *sizes = RECORD_HEAD.unpack_from(payload, start)
        parts = []
        for size in sizes:
            parts.append(payload[end : end + size])
            end += size
        if len(payload) < end:
            raise ProtocolError("RECORD is shorter than its parts")
        level, logger, self.attributes, exception_type, stack = parts
        self.created_unix_ns: int = created_unix_ns
        self.level_number: int = number
        self.level = level.decode("utf-8", "replace")
        self.logger = logger.decode("utf-8", "replace")
        self.exception_type = exception_type.decode("utf-8", "replace")
        self.stack = stack.decode("utf-8", "replace")
        self.end = end
