"""URLs of outgoing requests as they may leave the function; pure.

Instrumentations differ in what they take out of a URL, so it is done again for all of them.
https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/
"""

from __future__ import annotations

from serverless_instrument.wrapper.triggers.http import redacted, split_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Stable names, then those of the conventions before.
_URLS = ("url.full", "http.url")
_TARGETS = ("http.target", "url.query")
_PORTS = {"http": 80, "https": 443}


def cleaned(attributes: Mapping[str, object]) -> dict[str, object]:
    """`attributes` with credentials in URLs and queries replaced by ``REDACTED``.

    Where an HTTP client's span has no ``server.address`` and ``server.port``, which are required,
    they are taken from its URL.
    """
    result = dict(attributes)
    for name in _URLS:
        value = result.get(name)
        if isinstance(value, str):
            result[name] = redacted_url(value)
    for name in _TARGETS:
        value = result.get(name)
        if isinstance(value, str):
            path, mark, query = value.rpartition("?")
            result[name] = f"{path}{mark}{redacted(query)}"
    url = result.get("url.full")
    if isinstance(url, str) and "http.request.method" in result:
        for name, told in _server(url).items():
            result.setdefault(name, told)
    return result


def redacted_url(url: str) -> str:
    """`url` without user information and without the values of credential-bearing keys."""
    scheme, separator, rest = url.partition("://")
    if separator:
        end = _authority_end(rest)
        authority = rest[:end]
        if "@" in authority:
            rest = f"REDACTED:REDACTED@{authority.rpartition('@')[2]}{rest[end:]}"
        url = f"{scheme}://{rest}"
    head, mark, tail = url.partition("?")
    if not mark:
        return url
    query, hash_mark, fragment = tail.partition("#")
    return f"{head}?{redacted(query)}{hash_mark}{fragment}"


def _authority_end(rest: str) -> int:
    ends = [position for position in map(rest.find, "/?#") if position >= 0]
    return min(ends, default=len(rest))


def _server(url: str) -> dict[str, object]:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return {}
    host = rest[: _authority_end(rest)].rpartition("@")[2]
    address, text = split_port(host)
    port = int(text) if text.isascii() and text.isdigit() else _PORTS.get(scheme.lower())
    if not address:
        return {}
    return {"server.address": address} | ({"server.port": port} if port else {})
