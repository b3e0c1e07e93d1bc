"""Frames between the runtime process and the forwarder; both load this before anything else; pure.

`wire_payloads` unpacks what `pack_hello` and the like have packed, for the forwarder alone.

A frame is an 8-byte header (magic ``SI``, protocol version, kind, payload length, big endian) and
its payload. Telemetry inside a payload is OTLP protobuf and is never parsed on its way out, only
joined: a *batch* names its instrumentation scope once and carries already tagged items, which
become one ``ScopeSpans``, ``ScopeLogs`` or ``ScopeMetrics`` by concatenation
(https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

from __future__ import annotations

from _struct import Struct  # `struct` only names it anew, for 0.5 M instructions of both starts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# The package's version: both processes find it here without the package's own __init__.
__version__ = "0.1.0"
# The protocol's version.
VERSION = 4

# runtime -> forwarder
HELLO, START, SPANS, LOGS, METRICS, END, LINES = 1, 2, 3, 4, 5, 6, 7
DROPPED, OPEN, INIT_ERROR, TEXT, RECORD = 8, 9, 10, 11, 12
# forwarder -> runtime
DEADLINE = 0x81
KINDS = frozenset((*range(HELLO, RECORD + 1), DEADLINE))

# Below the 4 MB that OTLP receivers commonly accept, with room for resource and scope.
MAX_PAYLOAD_BYTES = 3 * 1024 * 1024

_MAGIC = b"SI"
_HEADER = Struct("!2sBBI")
_BATCH_FRAME = Struct("!2sBBIIH")
_DIGEST = Struct("!II")
DIGEST_BYTES = _DIGEST.size
_MOST_FAILED_ITEMS = 0xFFFF
# How payloads begin.
HELLO_HEAD = Struct("!IB")
REQUEST_HEAD = Struct("!QQBBHQ")
BATCH_HEAD = Struct("!IH")
DROPPED_HEAD = Struct("!IB")
# Of TEXT and RECORD: time in Unix nanoseconds, trace id, span id (zeros for none), trace flags,
# bits (below), bytes of the request id, which follows.
TEXT_HEAD = Struct("!Q16s8sBBB")
# After it in RECORD: when the record was made in Unix nanoseconds, level as ``logging`` counts, and
# bytes of what follows: name of the level, logger, encoded attributes, type of the exception, stack
# trace. The text that was written is the rest.
RECORD_HEAD = Struct("!QiBHIHI")
# Bits of TEXT and RECORD: where the text was written; that the frame announces its lines, as LINES
# does; that it is a piece of a line; that the runtime client's own handlers alone wrote it.
STDOUT, STDERR, RUNTIME_LOG, STREAM_MASK = 0, 1, 2, 3
ANNOUNCES, PIECE, OWN_HANDLERS = 4, 8, 16
# Loaded on first use: a process without logs needs none.
_crc32: list[Callable[[bytes], int]] = []

# Facts of a START or END payload: what metrics need of an invocation whose span may be unsampled.
TRIGGERS = ("other", "datasource", "http", "pubsub", "timer")
TRIGGER_MASK, FACT_COLDSTART, FACT_FAILED, FACT_OUT_OF_MEMORY = 0x07, 0x08, 0x10, 0x20

_DEFAULT_SOCKET_DIRECTORY = "/tmp/.serverless-instrument"


class ProtocolError(Exception):
    """The peer does not speak this protocol; its connection must be closed."""


def socket_path(environ: Mapping[str, str]) -> str:
    """Path of the forwarder's listening socket; its directory has mode 0700.

    ``SERVERLESS_INSTRUMENT_SOCKET`` overrides it; /tmp is shared by a function and its extensions
    (https://docs.aws.amazon.com/lambda/latest/dg/lambda-extensions.html).
    """
    return (
        environ.get("SERVERLESS_INSTRUMENT_SOCKET") or _DEFAULT_SOCKET_DIRECTORY + "/forwarder.sock"
    )


def frame(kind: int, payload: bytes) -> bytes:
    """One frame, ready to be written.

    Raises:
        ValueError: the payload is larger than `MAX_PAYLOAD_BYTES`.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        msg = f"payload of {len(payload)} bytes exceeds the limit of {MAX_PAYLOAD_BYTES}"
        raise ValueError(msg)
    return _HEADER.pack(_MAGIC, VERSION, kind, len(payload)) + payload


def pack_hello(pid: int, token: bytes, resource: bytes) -> bytes:
    """HELLO payload: the sender's process id, its token (empty on a unix socket) and its resource.

    `resource` is an encoded ``opentelemetry.proto.resource.v1.Resource``.
    """
    return HELLO_HEAD.pack(pid, len(token)) + token + resource


def pack_request(
    request_id: str,
    time_unix_ns: int,
    deadline_unix_ms: int,
    batch: bytes,
    facts: int = 0,
    failed_items: int = 0,
    cpu_ns: int = 0,
) -> bytes:
    """START, OPEN or END payload; `facts` is the trigger's index in `TRIGGERS` and FACT_ bits.

    `failed_items` is how many of a batch the response gives back, `cpu_ns` the CPU time that the
    process had used by then, 0 for not known: the forwarder may look too late.

    START carries the unfinished invocation span as a bare ``Span`` message in `batch`'s items, so
    that the forwarder can still append an end time; END carries finished, tagged items. OPEN is the
    answer to DEADLINE: a span that is open near the deadline, as START's is; the invocation's own
    takes the place of START's. It has no effect after END of its request. INIT_ERROR has
    the class of the exception that ended init as its request id, and an ``Event`` message of it.
    """
    encoded = request_id.encode("utf-8", "replace")[:255]
    failed_items = min(failed_items, _MOST_FAILED_ITEMS)
    size = len(encoded)
    head = REQUEST_HEAD.pack(time_unix_ns, deadline_unix_ms, facts, size, failed_items, cpu_ns)
    return head + encoded + batch


def pack_batch(scope: bytes, items: bytes, count: int) -> bytes:
    """Batch of `count` items of one scope.

    `scope` is the tagged ``scope`` (and ``schema_url``) fields of a ``ScopeSpans``, ``ScopeLogs``
    or ``ScopeMetrics``; `items` its tagged repeated field. The three messages share their numbers
    (https://github.com/open-telemetry/opentelemetry-proto).
    """
    return BATCH_HEAD.pack(count, len(scope)) + scope + items


def batch_frame(kind: int, scope: bytes, items: bytes, count: int) -> bytes:
    """`frame` of `pack_batch`, in one step: spans and log lines go one by one.

    Raises:
        ValueError: as `frame`.
    """
    scope_size = len(scope)
    size = BATCH_HEAD.size + scope_size + len(items)
    if size > MAX_PAYLOAD_BYTES:
        return frame(kind, pack_batch(scope, items, count))
    head = _BATCH_FRAME.pack(_MAGIC, VERSION, kind, size, count, scope_size)
    return b"%b%b%b" % (head, scope, items)


def line_digest(line: bytes) -> bytes:
    """Eight bytes that stand for a line of the function's output: CRC-32 and length.

    `line` is what the platform will see, in UTF-8, with what is not UTF-8 replaced by U+FFFD as it
    shows it. Line ends at its end do not count.
    """
    if not _crc32:
        from binascii import crc32

        _crc32.append(crc32)
    line = line.rstrip(b"\r\n")
    return _DIGEST.pack(_crc32[0](line), len(line) & 0xFFFFFFFF)


def pack_lines(request_id: str, digests: Iterable[bytes]) -> bytes:
    """LINES payload: `line_digest` of each line that the runtime has captured for a request.

    `request_id` is "" for lines written outside an invocation.
    """
    encoded = request_id.encode("utf-8", "replace")[:255]
    return bytes((len(encoded),)) + encoded + b"".join(digests)


def dropped_frame(count: int, kind: int = 0) -> bytes:
    """A DROPPED frame: the runtime had no room for `count` since the last one.

    `kind` is what was dropped: 0 for frames of any kind, METRICS for measurements.
    """
    return frame(DROPPED, DROPPED_HEAD.pack(min(count, 0xFFFF_FFFF), kind))


def text_frame(
    kind: int,
    time_unix_ns: int,
    context: tuple[str, bytes, bytes, int],
    bits: int,
    *parts: bytes,
) -> bytes:
    """A TEXT or RECORD frame: text as it was written, for the forwarder to read.

    Args:
        kind: `TEXT` or `RECORD`.
        time_unix_ns: when it was written.
        context: (request id, trace id, span id, trace flags); the ids are empty for none.
        bits: a stream, `ANNOUNCES`, `PIECE` and `OWN_HANDLERS`.
        parts: of TEXT, whole lines joined by line feeds, in UTF-8 as far as they are; of RECORD
            `RECORD_HEAD`, what it counts, and the text.

    Raises:
        ValueError: as `frame`.
    """
    request_id, trace_id, span_id, flags = context
    encoded = request_id.encode("utf-8", "replace")[:255]
    head = TEXT_HEAD.pack(time_unix_ns, trace_id, span_id, flags & 0xFF, bits, len(encoded))
    size = len(head) + len(encoded) + sum(map(len, parts))
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError(f"payload of {size} bytes exceeds the limit of {MAX_PAYLOAD_BYTES}")
    # In one step, as a text may be long.
    return b"".join((_HEADER.pack(_MAGIC, VERSION, kind, size), head, encoded, *parts))


_BYTE = [bytes((number,)) for number in range(128)]


def varint(value: int) -> bytes:
    """A protobuf base-128 varint of a number from 0 up."""
    if value < 128:
        return _BYTE[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(tag: bytes, payload: bytes) -> bytes:
    """A length-delimited protobuf field; `tag` is number << 3 | 2. Batches are joined with it."""
    size = len(payload)
    return tag + (_BYTE[size] if size < 128 else varint(size)) + payload


class FrameReader:
    """Bytes in, in any split; (kind, payload) out."""

    __slots__ = ("_buffer", "_needed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = _HEADER.size

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
        """Every frame that `data` completes, in order.

        Frames before a defect are yielded before the error is raised, so nothing good is lost.

        Raises:
            ProtocolError: wrong magic or version, unknown kind, or oversize payload.
        """
        if self._buffer:
            self._buffer += data
            # Join only when a frame completes, or many small reads would copy quadratically.
            if len(self._buffer) < self._needed:
                return
            data, self._buffer = self._buffer, bytearray()
        position, size, header_size = 0, len(data), _HEADER.size
        view = memoryview(data)  # each payload is copied once
        self._needed = header_size
        try:
            while size - position >= header_size:
                length, kind = _checked(data, position)
                end = position + header_size + length
                if end > size:
                    self._needed = end - position
                    break
                payload = bytes(view[position + header_size : end])
                position = end
                yield kind, payload
        finally:
            self._buffer += view[position:]


def _checked(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """(payload length, kind) of the header at `position`. Raises `ProtocolError`."""
    magic, version, kind, length = _HEADER.unpack_from(data, position)
    if magic != _MAGIC or version != VERSION:
        raise ProtocolError(f"not a version {VERSION} frame: {magic!r} {version}")
    if kind not in KINDS:
        raise ProtocolError(f"unknown frame kind {kind}")
    if length > MAX_PAYLOAD_BYTES:
        raise ProtocolError(f"payload of {length} bytes is over {MAX_PAYLOAD_BYTES}")
    return length, kind
