"""What is cut in values once they are masked: no pattern finds half a secret; pure.

Where a mask is set the runtime sends values whole, and the limits hold here.
"""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.forwarder.destinations.destination import LOGS, TRACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A span's name and its status message have no limit of the specification's.
CUT_TEXTS = frozenset((("Span", "name"), ("Status", "message")))
_TEXT_BYTES = 4096
_PAYLOADS = frozenset(("aws.lambda.request.payload", "aws.lambda.response.payload"))
_OMITTED = "..."
_PUNCTUATION_CHARACTERS = 4


def cut_text(data: bytes) -> bytes:
    """UTF-8 of at most 4,096 characters."""
    if len(data) <= _TEXT_BYTES:
        return data
    return data.decode("utf-8", "replace")[:_TEXT_BYTES].encode("utf-8", "replace")


class ValueLimits:
    """The limits of `environ` for values of attributes; the runtime warns of bad ones."""

    __slots__ = ("_lengths", "_payload_characters")

    def __init__(self, environ: Mapping[str, str]) -> None:
        span, log = environment.value_length_limits(environ, [])
        self._lengths = {TRACES: span, LOGS: log}
        self._payload_characters = environment.payload_bytes(environ, [])

    def cut(self, value: object, key: str, signal: str) -> object:
        """`value` of the attribute `key`, cut to what the limits of `signal` leave of it."""
        if key in _PAYLOADS and isinstance(value, str):
            value = _cut_payload(value, self._payload_characters)
        limit = self._lengths.get(signal)
        return value if limit is None else _cut(value, limit)


def _cut(value: object, limit: int) -> object:
    if isinstance(value, (str, bytes)):
        return value[:limit]
    if isinstance(value, list):
        return [_cut(each, limit) for each in value]
    if isinstance(value, dict):
        return {key: _cut(each, limit) for key, each in value.items()}
    return value


def _cut_payload(text: str, limit: int) -> str:
    """JSON `text` of about `limit` characters: what is beyond becomes "..."."""
    if len(text) <= limit:
        return text
    from json import dumps, loads

    try:
        return dumps(_PayloadCut(limit).cut(loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text[:limit] + _OMITTED


class _PayloadCut:
    __slots__ = ("_left",)

    def __init__(self, limit: int) -> None:
        self._left = limit

    def cut(self, value: object) -> object:
        """What there is room for of `value`."""
        if isinstance(value, dict):
            shown: dict[str, object] = {}
            for key, each in value.items():
                if not self._takes(len(key)):
                    shown[_OMITTED] = _OMITTED
                    break
                shown[key] = self.cut(each)
            return shown
        if isinstance(value, list):
            items: list[object] = []
            for each in value:
                if self._left <= 0:
                    items.append(_OMITTED)
                    break
                items.append(self.cut(each))
            return items
        if isinstance(value, str):
            left = max(0, self._left)
            self._takes(len(value))
            return value if len(value) <= left else value[:left] + _OMITTED
        return value if self._takes(len(str(value))) else _OMITTED

    def _takes(self, characters: int) -> bool:
        self._left -= characters + _PUNCTUATION_CHARACTERS
        return self._left >= 0
