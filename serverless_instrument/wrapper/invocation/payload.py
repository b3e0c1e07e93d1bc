"""Captured requests and responses: bounded JSON text without secrets. Pure.

Values under keys that name a secret are redacted at any depth, also inside strings that are JSON
(the body of an HTTP event or an SQS record), forms or query strings. What is nested too deep or
exceeds the size becomes "...". Only JSON's own types are looked into, so that no code of the user's
runs.
"""

from __future__ import annotations

from base64 import b64decode

from serverless_instrument.wrapper.records import is_ours, type_name
from serverless_instrument.wrapper.records.primitives import json_dumps as dumps
from serverless_instrument.wrapper.records.primitives import json_loads as loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from serverless_instrument.wrapper.settings import Settings

# Searched for anywhere in a key, whose case, dashes, underscores, spaces and dots are ignored.
SENSITIVE = ("password", "passwd", "secret", "token", "authorization", "cookie", "apikey")
REDACTED, OMITTED = "REDACTED", "..."
_IGNORED = str.maketrans("", "", "-_ .")
_PUNCTUATION_BYTES = 4
# A string is decoded as JSON only if it begins with one of these and is at most so long.
_JSON_STARTS = ("{", "[")
_MAX_TEXT_CHARACTERS = 1_000_000


class Rules:
    """What of a payload is shown.

    Args:
        max_bytes: approximate size of the text; nothing beyond it is looked at.
        max_depth: how deep objects and arrays may be nested.
        keys: keys that are redacted, besides those that contain a word of `SENSITIVE`.
        whole: omit a text that there is no room for, instead of cutting it: it will be masked.
    """

    __slots__ = ("_sensitive", "max_bytes", "max_depth", "whole")

    def __init__(
        self, max_bytes: int, max_depth: int, keys: Iterable[str] = (), *, whole: bool = False
    ) -> None:
        self.whole = whole
        self.max_bytes = max_bytes
        self.max_depth = max_depth
        self._sensitive = (*SENSITIVE, *[plain for key in keys if (plain := _plain(key))])

    def is_sensitive(self, key: str) -> bool:
        """Whether the value under `key` is redacted."""
        plain = _plain(key)
        return any(word in plain for word in self._sensitive)


def _plain(key: str) -> str:
    return key.lower().translate(_IGNORED)


class Capture:
    """Sets the request, the response or both as attributes of the invocation's span.

    Args:
        which: "request", "response" or "both".
        rules: what is shown of either.
    """

    __slots__ = ("_request", "_response", "_rules")

    def __init__(self, which: str, rules: Rules) -> None:
        self._request = which != "response"
        self._response = which != "request"
        self._rules = rules

    def add_request(self, attributes: dict[str, object], event: object) -> None:
        """Set the attribute of `event`; called before the handler, which may change it."""
        if self._request:
            attributes["aws.lambda.request.payload"] = text_of(event, self._rules)

    def add_response(self, attributes: dict[str, object], response: object) -> None:
        """Set the attribute of `response`, which the handler has returned."""
        if self._response:
            attributes["aws.lambda.response.payload"] = text_of(response, self._rules)


def capture_of(settings: Settings) -> Capture:
    """The capture that the settings ask for; they ask for one unless it is "off"."""
    rules = Rules(
        settings.payload_bytes or 0,
        settings.payload_depth or 0,
        settings.payload_keys,
        whole=settings.masked,
    )
    return Capture(settings.captured_payloads, rules)


def text_of(payload: object, rules: Rules) -> str:
    """`payload` as JSON text of about ``rules.max_bytes`` at most; never raises."""
    try:
        return dumps(_Copier(rules).copied(payload, rules.max_depth), ensure_ascii=False)
    except Exception as error:  # a thread of the user's may change the payload meanwhile
        if not is_ours(error):
            raise
        return dumps(f"<{type_name(payload)}>")


class _Copier:
    """Copies what may be shown of one payload, and counts its bytes."""

    __slots__ = ("_left_bytes", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._left_bytes = rules.max_bytes

    def _reserve(self, size_bytes: int) -> bool:
        """Count `size_bytes` and punctuation; whether they are within the limit."""
        self._left_bytes -= size_bytes + _PUNCTUATION_BYTES
        return self._left_bytes >= 0

    def copied(self, value: object, depth: int) -> object:
        """What may be shown of `value`; `depth` more levels may be nested in it."""
        kind = type(value)
        if kind is str:
            return self._text(value, depth)  # type: ignore[arg-type] # narrowed by `kind`
        if value is None or kind is bool:
            return value if self._reserve(4) else OMITTED
        if kind is int or kind is float:
            return self._number(value)
        if isinstance(value, dict):
            return self._object(dict.items(value), depth) if depth > 0 else OMITTED
        if isinstance(value, (list, tuple)):
            return self._array(value, depth) if depth > 0 else OMITTED
        if isinstance(value, str):
            return self._text(str.__str__(value), depth)
        if kind.__name__ == "Decimal" and kind.__module__ == "decimal":
            return self._text(str(value), depth)  # boto3's DynamoDB resources return Decimals
        return f"<{kind.__name__}>" if self._reserve(len(kind.__name__)) else OMITTED

    def _number(self, number: object) -> object:
        # hex, because int -> decimal refuses very long numbers.
        if isinstance(number, int) and number.bit_length() > 1024:
            return OMITTED
        return number if self._reserve(len(repr(number))) else OMITTED

    def _object(self, items: Iterable[tuple[object, object]], depth: int) -> dict[str, object]:
        pairs = list(items)
        shown: dict[str, object] = {}
        named = any(self._names_a_secret(key, value) for key, value in pairs)
        for key, value in pairs:
            name = key if type(key) is str else f"<{type_name(key)}>"
            if not self._reserve(len(name)):
                shown[OMITTED] = OMITTED
                break
            if self._rules.is_sensitive(name) or (named and name.lower().endswith("value")):
                shown[name] = REDACTED
            elif name == "body" and ("isBase64Encoded", True) in pairs:
                shown[name] = self._decoded(value, depth)
            else:
                shown[name] = self.copied(value, depth - 1)
        return shown

    def _names_a_secret(self, key: object, value: object) -> bool:
        """Whether it is the first member of ``{"name": "password", "value": …}``."""
        return (
            type(key) is str
            and type(value) is str
            and key.lower() in ("name", "key")
            and self._rules.is_sensitive(value)
        )

    def _array(self, values: Iterable[object], depth: int) -> list[object]:
        shown: list[object] = []
        for value in values:
            if self._left_bytes <= 0:
                shown.append(OMITTED)
                break
            shown.append(self.copied(value, depth - 1))
        return shown

    def _decoded(self, body: object, depth: int) -> object:
        """A base64-encoded HTTP body, decoded if it is text."""
        try:
            text = b64decode(str(body)[:_MAX_TEXT_CHARACTERS]).decode()
        except ValueError:
            return "<binary>"
        return self._text(text, depth)

    def _text(self, text: str, depth: int) -> str:
        left = self._left_bytes
        if left <= 0:
            return OMITTED
        if text.lstrip()[:1] in _JSON_STARTS and len(text) <= _MAX_TEXT_CHARACTERS:
            try:
                inner = loads(text)
            except (ValueError, RecursionError):
                inner = None
            if isinstance(inner, (dict, list)):
                shown = self.copied(inner, depth - 1)
                # The original text, if nothing in it is redacted or omitted.
                return text if shown == inner else dumps(shown, ensure_ascii=False)
        whole = len(text) <= left
        if not whole and self._rules.whole:
            self._reserve(len(text))
            return OMITTED
        text = text[:left]
        if "=" in text:
            text = "&".join(self._pairs(text))
        self._reserve(len(text))
        return text if whole else text + OMITTED

    def _pairs(self, text: str) -> Iterator[str]:
        for pair in text.split("&"):
            key, equals, _ = pair.partition("=")
            yield f"{key}={REDACTED}" if equals and self._rules.is_sensitive(key) else pair
