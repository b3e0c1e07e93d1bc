"""Ids and name of an encoded span. Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import fields

_TRACE_ID, _SPAN_ID, _NAME = 1, 2, 5


class SpanIdentity:
    """`trace_id` (16 bytes), `span_id` (8 bytes) and `name` of a ``Span``; empty where it has none.

    A message that is damaged has none of them: telemetry without a trace is better than none.
    """

    __slots__ = ("name", "span_id", "trace_id")

    def __init__(self, span: bytes) -> None:
        self.trace_id = self.span_id = b""
        self.name = ""
        found: dict[int, bytes] = {}
        try:
            for number, _, value in fields(span):
                if isinstance(value, bytes):
                    found[number] = value
                if number == _NAME:
                    break
        except ValueError:
            return
        self.trace_id, self.span_id = found.get(_TRACE_ID, b""), found.get(_SPAN_ID, b"")
        self.name = found.get(_NAME, b"").decode("utf-8", "replace")
