"""Reads and writes trace context headers: W3C tracecontext and baggage, AWS X-Ray, B3. Pure.

Sources: https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/,
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

from serverless_instrument.resource import percent_decode as percent_decode  # noqa: PLC0414 - headers are decoded by it, too

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOWER_HEX = "0123456789abcdef"
_KEY_CHARACTERS = _LOWER_HEX + "ghijklmnopqrstuvwxyz_-*/"
_TRACESTATE_MEMBERS = 32
# Longest header of X-Ray or B3, with what AWS may add to it, and longest tracestate. A message may
# have text of any length under these names; longer text is refused unread.
_HEADER_CHARACTERS = 1024
_TRACESTATE_CHARACTERS = _TRACESTATE_MEMBERS * 514
_BAGGAGE_BYTES = 8192
_BAGGAGE_MEMBERS = 180
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# sampled and random; a sender must set the other flags to zero
# (https://www.w3.org/TR/trace-context-2/#other-flags).
_FLAGS = 0x03


class SpanContext:
    """A remote span: 16-byte trace id, 8-byte span id, W3C flags, tracestate."""

    __slots__ = ("flags", "span_id", "trace_id", "trace_state")

    def __init__(self, trace_id: bytes, span_id: bytes, flags: int, trace_state: str = "") -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.trace_state = trace_state

    @property
    def sampled(self) -> bool:
        """The W3C sampled flag."""
        return bool(self.flags & 1)


def _hex(text: str, size: int) -> bytes | None:
    # strip leaves something exactly when a character is not lower-case hex.
    if len(text) != 2 * size or text.strip(_LOWER_HEX):
        return None
    return bytes.fromhex(text)


def parse_traceparent(traceparent: str, tracestate: str = "") -> SpanContext | None:
    """The remote span, or None where the header is invalid.

    Of a later version, the fields of version 00 are read. An invalid tracestate is dropped alone.
    """
    if len(traceparent) > _HEADER_CHARACTERS:
        return None
    text = traceparent.strip(" \t")
    parts = text.split("-", 4)
    if len(parts) < 4 or (parts[0] == "00" and len(parts) != 4):
        return None
    version = _hex(parts[0], 1)
    trace_id, span_id, flags = _hex(parts[1], 16), _hex(parts[2], 8), _hex(parts[3], 1)
    if (
        version is None
        or version == b"\xff"
        or trace_id is None
        or span_id is None
        or flags is None
    ):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return SpanContext(trace_id, span_id, flags[0] & _FLAGS, parse_tracestate(tracestate))


def parse_tracestate(text: str) -> str:
    """`text` without empty members; "" where any member is invalid."""
    members, seen = [], set()
    # Empty members are valid, and the specification has no limit for them.
    if len(text) > _TRACESTATE_CHARACTERS or text.count(",") > 4 * _TRACESTATE_MEMBERS:
        return ""
    for raw in text.split(","):
        member = raw.strip(" \t")
        if not member:
            continue
        key, equals, value = member.partition("=")
        if not equals or key in seen or not _state_key(key) or not _state_value(value):
            return ""
        seen.add(key)
        members.append(member)
    return ",".join(members) if len(members) <= _TRACESTATE_MEMBERS else ""


def _state_key(key: str) -> bool:
    tenant, at, system = key.partition("@")
    if at and not (0 < len(tenant) <= 241 and 0 < len(system) <= 14 and "a" <= system[0] <= "z"):
        return False
    characters = tenant + system
    return 0 < len(key) <= 256 and (key[0].isalnum() and not characters.strip(_KEY_CHARACTERS))


def _state_value(value: str) -> bool:
    # Exactly 0x20 to 0x7E of ASCII are printable. The caller has split the text at commas.
    return 0 < len(value) <= 256 and "=" not in value and value.isascii() and value.isprintable()


def parse_xray(header: str) -> SpanContext | None:
    """The remote span of an ``X-Amzn-Trace-Id`` header; None without a valid Root and Parent.

    A header with Root alone comes from a load balancer or gateway that made no segment, and names
    no span.
    """
    if len(header) > _HEADER_CHARACTERS:
        return None
    fields = {}
    for part in header.split(";"):
        key, equals, value = part.strip().partition("=")
        if equals:
            fields[key] = value
    root = fields.get("Root", "").split("-")
    if len(root) != 3 or root[0] != "1" or len(root[1]) != 8:
        return None
    trace_id = _hex((root[1] + root[2]).lower(), 16)
    span_id = _hex(fields.get("Parent", "").lower(), 8)
    if trace_id is None or span_id is None or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return SpanContext(trace_id, span_id, 1 if fields.get("Sampled") == "1" else 0)


def format_xray(context: SpanContext) -> str:
    """The ``X-Amzn-Trace-Id`` header of `context`."""
    trace_id = context.trace_id.hex()
    return (
        f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={context.span_id.hex()}"
        f";Sampled={context.flags & 1}"
    )


def parse_baggage(header: str) -> dict[str, str]:
    """Decoded baggage entries, without invalid members and without properties."""
    entries: dict[str, str] = {}
    if len(header) > _BAGGAGE_BYTES:
        return entries
    for member in header.split(","):
        key, equals, value = member.partition(";")[0].partition("=")
        key, value = key.strip(" \t"), value.strip(" \t")
        if not (equals and key) or key.strip(_TOKEN) or value.strip(_BAGGAGE_OCTETS):
            continue
        if len(entries) < _BAGGAGE_MEMBERS:
            entries[key] = percent_decode(value)
    return entries


def format_baggage(entries: Mapping[str, str]) -> str:
    """A ``baggage`` header of `entries`, without those over the standard's limits.

    Entries whose key is no token (RFC 9110, section 5.6.2) are left out: no receiver can read them.
    """
    members: list[str] = []
    size = 0
    tokens = [(key, entries[key]) for key in entries if key and not key.strip(_TOKEN)]
    for key, value in tokens[:_BAGGAGE_MEMBERS]:
        member = f"{key}={percent_encode(value, _BAGGAGE_SAFE)}"
        size += len(member) + 1
        if size > _BAGGAGE_BYTES + 1:
            break
        members.append(member)
    return ",".join(members)


# baggage-octet: printable ASCII without space, quote, comma, semicolon and backslash; here also
# without the percent sign, which begins an escape.
_BAGGAGE_SAFE = frozenset(bytes(range(0x21, 0x7F))) - frozenset(b'",;\\%')
_BAGGAGE_OCTETS = bytes([*sorted(_BAGGAGE_SAFE), ord("%")]).decode()
_TOKEN = "".join(character for character in _BAGGAGE_OCTETS if character not in "()/:<=>?@[]{}")


def percent_encode(text: str, safe: frozenset[int]) -> str:
    """`text` as UTF-8 with every byte outside `safe` as %XX (RFC 3986, section 2.1)."""
    return "".join(
        [chr(byte) if byte in safe else f"%{byte:02X}" for byte in text.encode("utf-8", "replace")]
    )


def parse_b3(headers: Mapping[str, str]) -> SpanContext | None:
    """The remote span of a ``b3`` header, else of the ``x-b3-*`` ones (lower-case names).

    A header that leaves the sampling decision to the receiver counts as sampled
    (https://github.com/openzipkin/b3-propagation).
    """
    parts = headers.get("b3", "")[:_HEADER_CHARACTERS].split("-")
    if len(parts) >= 2:
        trace_text, span_text, state = parts[0], parts[1], parts[2] if len(parts) > 2 else "1"
    else:
        trace_text, span_text = headers.get("x-b3-traceid", ""), headers.get("x-b3-spanid", "")
        debug = headers.get("x-b3-flags") == "1"
        state = "d" if debug else headers.get("x-b3-sampled", "1")[:8].lower()
    if len(trace_text) + len(span_text) + len(state) > _HEADER_CHARACTERS:
        return None
    trace_id = _hex(trace_text.lower().rjust(32, "0") if trace_text else "", 16)
    span_id = _hex(span_text.lower(), 8)
    if trace_id is None or span_id is None or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return SpanContext(trace_id, span_id, 1 if state in ("1", "d", "true") else 0)


def format_b3(context: SpanContext) -> str:
    """The single ``b3`` header of `context`."""
    return f"{context.trace_id.hex()}-{context.span_id.hex()}-{context.flags & 1}"


def format_b3_multi(context: SpanContext) -> dict[str, str]:
    """The ``x-b3-*`` headers of `context`."""
    return {
        "x-b3-traceid": context.trace_id.hex(),
        "x-b3-spanid": context.span_id.hex(),
        "x-b3-sampled": str(context.flags & 1),
    }


def extract(
    headers: Mapping[str, str],
    propagators: Sequence[str],
    xray_env: str | None,
    *,
    ignore_xray_decision: bool,
) -> SpanContext | None:
    """The remote parent that `propagators`, in order, find in `headers` (lower-case names).

    As in any composite propagator, a later one that finds a valid span overrides an earlier one
    (https://opentelemetry.io/docs/specs/otel/context/api-propagators/#composite-propagator).
    ``xray-lambda`` prefers `xray_env`, the value of ``_X_AMZN_TRACE_ID``, unless an earlier one
    found a span (https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/). With
    `ignore_xray_decision` an X-Ray parent counts as sampled: AWS services send Sampled=0 whenever
    X-Ray itself is off, which says nothing about any other backend.
    """
    parent: SpanContext | None = None
    for name in propagators:
        if name == "tracecontext":
            header = headers.get("traceparent")
            found = parse_traceparent(header, headers.get("tracestate", "")) if header else None
        elif name in ("xray", "xray-lambda"):
            header = headers.get("x-amzn-trace-id")
            found = parse_xray(header) if header else None
            if name == "xray-lambda" and parent is None and xray_env:
                found = parse_xray(xray_env) or found
            if found is not None and ignore_xray_decision:
                found.flags |= 1
        elif name in ("b3", "b3multi"):
            found = parse_b3(headers)
        else:
            continue
        parent = found or parent
    return parent
