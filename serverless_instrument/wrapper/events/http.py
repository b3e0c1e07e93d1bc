"""Attributes and outcome of HTTP requests, for all HTTP triggers. Pure.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
"""

from __future__ import annotations

from itertools import islice

from serverless_instrument.wrapper.events.base import Facts, Outcome, dictionary
from serverless_instrument.wrapper.records.propagation import percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/ (url.query)
_SENSITIVE_KEYS = frozenset(
    (
        "AWSAccessKeyId",
        "Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
        "sig",
    )
)
_KEY_CHARACTERS = 3 * max(map(len, _SENSITIVE_KEYS))  # with every character escaped
# A load balancer's request line has at most 16 KB, API Gateway's with all headers 10 KB:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
_QUERY_CHARACTERS, _QUERY_PAIRS = 16_384, 256
_FORWARDED_CHARACTERS = 1024
# No gateway's routes are as long; a route made by hand must not take the function's time.
ROUTE_CHARACTERS = 4096
# RFC 3986, section 3.4, less the two delimiters of key=value pairs.
_QUERY_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$'()*,;:@/?"


class _Escapes(dict[int, str]):
    """Byte to its form in a query, filled byte by byte to spare the first invocation the rest."""

    def __missing__(self, byte: int) -> str:
        character = chr(byte)
        self[byte] = escaped = character if character in _QUERY_SAFE else f"%{byte:02X}"
        return escaped


_QUERY_ESCAPES = _Escapes()


def server_facts(
    headers: Mapping[str, str],
    known_methods: frozenset[str],
    *,
    method: str,
    path: str,
    route: str = "",
    query: str = "",
    source_ip: str = "",
    user_agent: str = "",
    protocol: str = "",
    domain_name: str = "",
) -> Facts:
    """The facts of an HTTP request; arguments that are "" are unknown.

    Args:
        headers: with lower-case names.
        known_methods: methods that are set as they are; any other becomes ``_OTHER``.
        method: of the request.
        path: ``url.path``.
        route: ``http.route``, the path's template.
        query: without the question mark; credentials in it are redacted.
        source_ip: the client's address, where no header tells it.
        user_agent: where no header tells it.
        protocol: like ``HTTP/1.1``.
        domain_name: the server's name, where no header tells it.
    """
    known = method in known_methods
    attributes: dict[str, object] = {
        "http.request.method": method if known else "_OTHER",
        "url.path": path,
    }
    if not known and method:
        attributes["http.request.method_original"] = method
    if route:
        attributes["http.route"] = route
    if query:
        attributes["url.query"] = redacted(query)
    add_peers(
        attributes, headers, source_ip=source_ip, user_agent=user_agent, domain_name=domain_name
    )
    _protocol(attributes, protocol)
    label = method if known else "HTTP"
    return Facts(f"{label} {route}" if route else label, "http", attributes, headers)


def add_peers(
    attributes: dict[str, object],
    headers: Mapping[str, str],
    *,
    source_ip: str = "",
    user_agent: str = "",
    domain_name: str = "",
) -> None:
    """Add scheme, server, client and user agent; `headers` (lower-case) override the arguments."""
    forwarded = headers.get("forwarded", "")
    attributes["url.scheme"] = _hop(headers, forwarded, "proto").lower() or "https"
    host = _hop(headers, forwarded, "host") or headers.get("host", "")
    host = host[:_FORWARDED_CHARACTERS].strip() or domain_name[:_FORWARDED_CHARACTERS]
    _server(attributes, host, headers)
    client = split_port(_hop(headers, forwarded, "for"))[0] or source_ip
    if client:
        attributes["client.address"] = client
    agent = headers.get("user-agent") or user_agent
    if agent:
        attributes["user_agent.original"] = agent


def _server(attributes: dict[str, object], host: str, headers: Mapping[str, str]) -> None:
    address, port = split_port(host)
    if not address:
        return
    attributes["server.address"] = address
    port = port or headers.get("x-forwarded-port", "").partition(",")[0].strip()
    if port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536:
        attributes["server.port"] = int(port)


def _hop(headers: Mapping[str, str], forwarded: str, name: str) -> str:
    """`name` as the proxy nearest to the client has set it; "" where none has.

    ``Forwarded`` counts before ``X-Forwarded-…``.
    """
    value = _forwarded(forwarded, name) if forwarded else ""
    header = headers.get("x-forwarded-" + name, "")[:_FORWARDED_CHARACTERS]
    return value or header.partition(",")[0].strip()


def _forwarded(header: str, name: str) -> str:
    """Parameter `name` of the first element of a ``Forwarded`` header; "" without it.

    So it is for "unknown" and obfuscated identifiers (RFC 7239, section 6).
    """
    for pair in header[:_FORWARDED_CHARACTERS].partition(",")[0].split(";"):
        key, equals, value = pair.strip().partition("=")
        if equals and key.strip().lower() == name:
            value = value.strip().strip('"')
            return "" if value == "unknown" or value.startswith("_") else value
    return ""


def split_port(host: str) -> tuple[str, str]:
    """(address, port) of ``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or bare IPv6."""
    if host.startswith("["):
        address, _, rest = host[1:].partition("]")
        return address, rest[1:] if rest.startswith(":") else ""
    if host.count(":") == 1:
        address, _, port = host.partition(":")
        return address, port
    return host, ""


def _protocol(attributes: dict[str, object], protocol: str) -> None:
    name, _, version = protocol.partition("/")
    if version:
        attributes["network.protocol.version"] = version
    if version and name.lower() != "http":
        attributes["network.protocol.name"] = name.lower()


def redacted(query: str) -> str:
    """`query` with the values of keys that have credentials replaced by ``REDACTED``.

    A query longer than any gateway accepts is cut, so that it takes no time.
    """
    if len(query) > _QUERY_CHARACTERS:
        query = query[:_QUERY_CHARACTERS]
    pairs = query.split("&", _QUERY_PAIRS)
    del pairs[_QUERY_PAIRS:]
    for index, pair in enumerate(pairs):
        key, equals, _ = pair.partition("=")
        if len(key) > _KEY_CHARACTERS:
            continue
        if equals and (key if "%" not in key else percent_decode(key)) in _SENSITIVE_KEYS:
            pairs[index] = f"{key}=REDACTED"
    return "&".join(pairs)


def rebuilt_query(event: Mapping[str, object], *, encoded: bool) -> str:
    """The query string of an event that has only its parameters.

    `encoded` is whether names and values are percent-encoded: API Gateway REST decodes them, ALB
    does not. The order among different names is the event's.
    """
    pairs: list[str] = []
    left = _QUERY_CHARACTERS
    several = dictionary(event.get("multiValueQueryStringParameters"))
    single = dictionary(event.get("queryStringParameters"))
    for name, values in islice((several or single).items(), _QUERY_PAIRS):
        for value in values[:_QUERY_PAIRS] if isinstance(values, list) else [values]:
            if not isinstance(value, str):
                continue
            # A character outside ASCII becomes six characters of a query or more.
            expansion = 1 if name.isascii() and value.isascii() else 6
            if expansion * (len(name) + len(value)) > left:
                return "&".join(pairs)
            pair = f"{name}={value}" if encoded else f"{_escaped(name)}={_escaped(value)}"
            pairs.append(pair)
            left -= len(pair)
    return "&".join(pairs)


def _escaped(text: str) -> str:
    # strip leaves something exactly when a character is not safe.
    if not text.strip(_QUERY_SAFE):
        return text
    return text.encode("utf-8", "replace").decode("latin-1").translate(_QUERY_ESCAPES)


def status_outcome(
    response: object, *, implicit_status: int | None, key: str = "statusCode"
) -> Outcome:
    """The outcome of a handler's response, which has the status code under `key`.

    `implicit_status` is the code that the gateway sends where the response has none; None where it
    then sends an error.
    """
    code: object = None
    if isinstance(response, dict):
        code = response.get(key)
    if code is None and implicit_status is not None:
        code = implicit_status
    status = _status_code(code)
    if status is None:
        return Outcome(None, "invalid_response", f"the response has no valid {key}")
    attributes: dict[str, object] = {"http.response.status_code": status}
    return Outcome(attributes, str(status) if status >= 500 else "")


def _status_code(code: object) -> int | None:
    if isinstance(code, str):
        status = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 0
    elif isinstance(code, bool):
        return None
    else:
        try:  # int, float, IntEnum and, from DynamoDB, Decimal: all become numbers in JSON
            status = int(code)  # type: ignore[call-overload] # anything else raises
        except (TypeError, ValueError, OverflowError):
            return None
        if status != code:
            return None
    return status if 100 <= status <= 599 else None
