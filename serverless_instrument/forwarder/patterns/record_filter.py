"""Encoded log records of the runtime's, without those that the rules leave out; pure."""

from __future__ import annotations

from serverless_instrument.forwarder.codec.protobuf import fields
from serverless_instrument.forwarder.patterns.any_values import decoded
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.patterns.patterns import Patterns

_SEVERITY, _BODY, _EVENT_NAME = 2, 5, 12
# Events of this package's: no lines.
_OWN_EVENTS = (b"faas.invocation.exception", b"serverless_instrument.span.start")


def wanted_items(items: bytes, patterns: Patterns) -> tuple[bytes, int]:
    """(tagged ``LogRecord`` items that leave, their number); damaged ones do not."""
    kept = []
    try:
        for _, _, item in fields(items):
            if isinstance(item, bytes) and _is_wanted(item, patterns):
                kept.append(field(b"\x12", item))
    except ValueError:
        pass
    return b"".join(kept), len(kept)


def _is_wanted(item: bytes, patterns: Patterns) -> bool:
    severity, body = 0, b""
    for number, _, value in fields(item):
        if number == _SEVERITY and isinstance(value, int):
            severity = value
        elif number == _BODY and isinstance(value, bytes):
            body = value
        elif number == _EVENT_NAME and value in _OWN_EVENTS:
            return True
    return patterns.wanted(_text(decoded(body)), severity)


def _text(body: object) -> str:
    if body is None or isinstance(body, str):
        return body or ""
    from json import dumps

    try:
        return dumps(body, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # it holds bytes
        return str(body)
