"""HTTP headers that the user has configured to be captured as attributes. Pure.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/ (http.request.header.<key>)
"""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

# Never captured, whatever pattern matches: they have session tokens.
_NEVER = frozenset(("cookie", "set-cookie"))
# The text that opentelemetry-python-contrib uses.
_SANITIZED = "[REDACTED]"


def request(
    event: object,
    headers: Mapping[str, str],
    captured: re.Pattern[str],
    sanitized: re.Pattern[str] | None,
) -> dict[str, list[str]]:
    """Attributes of the request's `headers` (lower-case) whose whole name matches `captured`.

    A header that was sent several times has one value for each where the event has them
    separately. The values of names in which `sanitized` finds a match are redacted.
    """
    found = {
        name: [value]
        for name, value in headers.items()
        if captured.fullmatch(name) and name not in _NEVER
    }
    if not found:
        return {}
    source = dictionary(event)
    several = source.get("multiValueHeaders") or source.get("headers")
    for name, values in dictionary(several).items():
        # Not split at commas, which some headers have inside one value.
        if isinstance(values, list) and len(values) > 1 and name.lower() in found:
            found[name.lower()] = [value for value in values if isinstance(value, str)]
    return _attributes("http.request.header.", found, sanitized)


def response(
    result: object, captured: re.Pattern[str], sanitized: re.Pattern[str] | None
) -> dict[str, list[str]]:
    """Attributes of the headers in a handler's `result`; see `request`."""
    source = dictionary(result)
    values = _values(source.get("headers"))
    values.update(_values(source.get("multiValueHeaders")))
    found = {
        name: texts
        for name, texts in values.items()
        if captured.fullmatch(name) and name not in _NEVER
    }
    return _attributes("http.response.header.", found, sanitized)


def _values(headers: object) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in dictionary(headers).items():
        texts = [_text(item) for item in (value if isinstance(value, list) else [value])]
        if texts and None not in texts:
            values.setdefault(str(name).lower(), []).extend(
                text for text in texts if text is not None
            )
    return values


def _text(value: object) -> str | None:
    """A header's value as text; None if it is none. CloudFront has ``{"key": …, "value": …}``."""
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # gateways convert numbers to text
    return value if isinstance(value, str) else None


def _attributes(
    prefix: str, values: Mapping[str, list[str]], sanitized: re.Pattern[str] | None
) -> dict[str, list[str]]:
    return {
        prefix + name: [_SANITIZED] * len(texts) if sanitized and sanitized.search(name) else texts
        for name, texts in values.items()
    }
