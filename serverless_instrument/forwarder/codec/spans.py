"""Spans that the forwarder makes or completes itself; loaded after registering. Pure.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto, trace/v1/trace.proto.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import attribute, fields, instrumentation_scope
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCOPE = instrumentation_scope("serverless_instrument")
INTERNAL, SERVER = 1, 2
# In a ``Status``: its code, ERROR.
_ERROR = b"\x18\x02"
# SpanFlags: sampled; it is known whether the parent is remote; it is.
_SAMPLED, _HAS_IS_REMOTE, _IS_REMOTE = 0x01, 0x100, 0x200
_SPAN_ID = 2


class Made:
    """A span as the forwarder knows it; times in nanoseconds since the epoch, 0 unknown.

    `events` are encoded ``Event`` messages; `error_type` "" means no error.
    """

    __slots__ = (
        "attributes",
        "end_unix_ns",
        "error_type",
        "events",
        "kind",
        "name",
        "parent_id",
        "remote_parent",
        "span_id",
        "start_unix_ns",
        "trace_id",
    )

    def __init__(
        self,
        name: str,
        trace_id: bytes,
        span_id: bytes,
        parent_id: bytes,
        start_unix_ns: int,
        end_unix_ns: int,
        attributes: Mapping[str, object],
        *,
        kind: int = INTERNAL,
        error_type: str = "",
        events: tuple[bytes, ...] = (),
        remote_parent: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.remote_parent = remote_parent
        self.start_unix_ns = start_unix_ns
        self.end_unix_ns = max(start_unix_ns, end_unix_ns)
        self.attributes = attributes
        self.error_type = error_type
        self.events = events


def encoded(span: Made) -> bytes:
    """A tagged span, as one item of a ``ScopeSpans``."""
    attributes = dict(span.attributes)
    if span.error_type:
        attributes["error.type"] = span.error_type
    flags = _SAMPLED | _HAS_IS_REMOTE | (_IS_REMOTE if span.remote_parent else 0)
    message = b"".join(
        [
            field(b"\x0a", span.trace_id),
            field(b"\x12", span.span_id),
            field(b"\x22", span.parent_id) if span.parent_id else b"",
            field(b"\x2a", span.name.encode("utf-8", "replace")),
            b"\x30%c" % span.kind,
            b"\x39" + span.start_unix_ns.to_bytes(8, "little"),
            b"\x41" + span.end_unix_ns.to_bytes(8, "little"),
            *[field(b"\x4a", attribute(name, value)) for name, value in attributes.items()],
            *[field(b"\x5a", event) for event in span.events],
            field(b"\x7a", _ERROR) if span.error_type else b"",
            b"\x85\x01" + flags.to_bytes(4, "little"),
        ]
    )
    return field(b"\x12", message)


def abandoned(span: bytes, end_unix_ns: int, error_type: str) -> bytes:
    """A tagged span from an unfinished one of the runtime's: end and ``error.type`` appended.

    Fields of a message may come in any order, so appending completes it
    (https://protobuf.dev/programming-guides/encoding/#order). It keeps an ``error.type`` out of
    nothing: a span that has not ended has none but the user's, which a second one overrides.
    """
    ended = (
        span
        + b"\x41"
        + end_unix_ns.to_bytes(8, "little")
        + field(b"\x4a", attribute("error.type", error_type))
    )
    return field(b"\x12", ended)


def span_id(span: bytes) -> bytes:
    """The id of a ``Span`` message, b"" where it has none."""
    try:
        for number, _, value in fields(span):
            if number == _SPAN_ID and isinstance(value, bytes):
                return value
    except ValueError:
        return b""
    return b""


def items(tagged: bytes) -> Iterator[bytes]:
    """Each ``Span`` of tagged ones; what is damaged ends it."""
    try:
        for _, _, value in fields(tagged):
            if isinstance(value, bytes):
                yield value
    except ValueError:
        return


def parent_of(header: str) -> tuple[bytes, bytes]:
    """(trace id, span id) of an X-Ray header with a valid Root and Parent, else empty ones.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    parts = dict([part.strip().partition("=")[::2] for part in header.split(";")])
    root = parts.get("Root", "").split("-")
    parent = parts.get("Parent", "")
    if len(root) != 3 or root[0] != "1" or len(root[1] + root[2]) != 32 or len(parent) != 16:
        return b"", b""
    try:
        trace_id, parent_id = bytes.fromhex(root[1] + root[2]), bytes.fromhex(parent)
    except ValueError:
        return b"", b""
    return (trace_id, parent_id) if any(trace_id) and any(parent_id) else (b"", b"")
