"""HTTP server facts that the HTTP triggers share.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
"""

from __future__ import annotations

from serverless_instrument.wrapper.propagation import percent_decode, percent_encode
from serverless_instrument.wrapper.triggers.base import Facts, Outcome, dictionary

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
# RFC 3986, section 3.4, less the two delimiters of key=value pairs.
_QUERY_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$'()*,;:@/?"
)


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
    """The span of an HTTP request; empty arguments are unknown. `protocol` is like ``HTTP/1.1``."""
    known = method in known_methods
    scheme = headers.get("x-forwarded-proto", "https").split(",", 1)[0].strip().lower()
    attributes: dict[str, object] = {
        "http.request.method": method if known else "_OTHER",
        "url.path": path,
        "url.scheme": scheme or "https",
    }
    if not known and method:
        attributes["http.request.method_original"] = method
    if route:
        attributes["http.route"] = route
    if query:
        attributes["url.query"] = redacted(query)
    _server(attributes, headers, domain_name)
    client = _client(headers) or source_ip
    if client:
        attributes["client.address"] = client
    agent = headers.get("user-agent") or user_agent
    if agent:
        attributes["user_agent.original"] = agent
    _protocol(attributes, protocol)
    label = method if known else "HTTP"
    return Facts(f"{label} {route}" if route else label, "http", attributes, headers)


def _server(attributes: dict[str, object], headers: Mapping[str, str], domain_name: str) -> None:
    forwarded = headers.get("forwarded")
    host = (
        (_forwarded(forwarded, "host") if forwarded else "")
        or headers.get("x-forwarded-host", "").split(",", 1)[0].strip()
        or headers.get("host", "").strip()
        or domain_name
    )
    if not host:
        return
    address, port = split_port(host)
    attributes["server.address"] = address
    port = port or headers.get("x-forwarded-port", "").split(",", 1)[0].strip()
    if port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536:
        attributes["server.port"] = int(port)


def _client(headers: Mapping[str, str]) -> str:
    forwarded = headers.get("forwarded")
    hop = (_forwarded(forwarded, "for") if forwarded else "") or headers.get(
        "x-forwarded-for", ""
    ).split(",", 1)[0].strip()
    return split_port(hop)[0]


def _forwarded(header: str, name: str) -> str:
    """Parameter `name` of the first element of a ``Forwarded`` header (RFC 7239)."""
    for pair in header.split(",", 1)[0].split(";"):
        key, equals, value = pair.strip().partition("=")
        if equals and key.lower() == name:
            return value.strip('"')
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
    """`query` with the values of credential-bearing keys replaced by ``REDACTED``."""
    pairs = query.split("&")
    for index, pair in enumerate(pairs):
        key, equals, _ = pair.partition("=")
        if equals and percent_decode(key) in _SENSITIVE_KEYS:
            pairs[index] = f"{key}=REDACTED"
    return "&".join(pairs)


def rebuilt_query(event: Mapping[str, object], *, encoded: bool) -> str:
    """The query string of an event that has only its parsed form.

    API Gateway REST decodes names and values, ALB (`encoded`) passes them as they came. The order
    among different names is the event's.
    """
    pairs: list[str] = []
    several = dictionary(event.get("multiValueQueryStringParameters"))
    single = dictionary(event.get("queryStringParameters"))
    for name, values in (several or single).items():
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str):
                continue
            if encoded:
                pairs.append(f"{name}={value}")
            else:
                pairs.append(
                    f"{percent_encode(name, _QUERY_SAFE)}={percent_encode(value, _QUERY_SAFE)}"
                )
    return "&".join(pairs)


def status_outcome(response: object, *, implicit_status: int | None) -> Outcome:
    """Status code and error of a handler's response.

    `implicit_status` is what the gateway sends where the response names none; None where it then
    sends an error of its own.
    """
    code: object = None
    if isinstance(response, dict):
        code = response.get("statusCode")
    if code is None and implicit_status is not None:
        code = implicit_status
    status = _status_code(code)
    if status is None:
        return Outcome(None, "invalid_response", "the response has no valid statusCode")
    attributes: dict[str, object] = {"http.response.status_code": status}
    return Outcome(attributes, str(status) if status >= 500 else "")


def _status_code(code: object) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599:
        return int(code)
    return None
