"""Redaction and required attributes of HTTP client spans. Pure.

Instrumentations differ in what they redact in a URL and in which of the required attributes they
set, so both are done here for all of them.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client
"""

from __future__ import annotations

from serverless_instrument.wrapper.events.http import redacted, split_port
from serverless_instrument.wrapper.records import records

# Stable names, then those of the older conventions.
_URLS = ("url.full", "http.url")
_TARGETS = ("http.target", "url.query")
_PORTS = {"http": 80, "https": 443}


def complete_http_span(span: records.Span) -> None:
    """Replace credentials in URLs and queries by ``REDACTED``; add the required attributes.

    These are ``server.address`` and ``server.port``, from the URL, and ``error.type`` of a request
    that raised.
    """
    _redact(span.attributes)
    if "http.request.method" in span.attributes:
        _add_required(span)


def _redact(attributes: records.Attributes) -> None:
    for name in _URLS:
        value = attributes.get(name)
        if isinstance(value, str):
            attributes[name] = redacted_url(value)
    for name in _TARGETS:
        value = attributes.get(name)
        if isinstance(value, str):
            path, mark, query = value.rpartition("?")
            attributes[name] = f"{path}{mark}{redacted(query)}"


def _add_required(span: records.Span) -> None:
    attributes = span.attributes
    url = attributes.get("url.full")
    if isinstance(url, str):
        for name, value in _server_attributes(url).items():
            attributes.setdefault(name, value)
    if span.status_code == records.STATUS_ERROR and "error.type" not in attributes:
        for event in span.events:
            if "exception.type" in event.attributes:
                attributes["error.type"] = event.attributes["exception.type"]


def redacted_url(url: str) -> str:
    """`url` without user information and without values of query keys that hold credentials."""
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


def _server_attributes(url: str) -> dict[str, object]:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return {}
    host = rest[: _authority_end(rest)].rpartition("@")[2]
    address, text = split_port(host)
    port = int(text) if text.isascii() and text.isdigit() else _PORTS.get(scheme.lower())
    if not address:
        return {}
    return {"server.address": address} | ({"server.port": port} if port else {})
