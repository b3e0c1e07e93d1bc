"""API Gateway REST API, non-proxy integration with the mapping template that AWS's console makes.
Pure.

It is called "Method Request passthrough". Another template makes an event of the user's own shape:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

from __future__ import annotations

from itertools import islice

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import Outcome, dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers
from serverless_instrument.wrapper.records.propagation import percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

# API Gateway's limit for request line and headers together.
_PATH_CHARACTERS = 10_240
# pchar of RFC 3986, section 3.3, and the slashes of a greedy parameter.
_PATH_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"
)


def infer(event: object) -> bool:
    """Whether it has the template's members."""
    return (
        isinstance(event, dict)
        and "body-json" in event
        and isinstance(event.get("params"), dict)
        and isinstance(event.get("context"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request; its path is rebuilt, as the template has none."""
    params, context = dictionary(event.get("params")), dictionary(event.get("context"))
    headers = http_headers({"headers": params.get("header")})
    route = text(context.get("resource-path"))
    return http.server_facts(
        headers,
        known_methods,
        method=text(context.get("http-method")),
        path=_path(
            route, params.get("path"), text(context.get("stage")), headers.get("host", "")[:255]
        ),
        route=route,
        query=http.rebuilt_query(
            {"queryStringParameters": params.get("querystring")}, encoded=False
        ),
        source_ip=text(context.get("source-ip")),
        user_agent=text(context.get("user-agent")),
    )


def _path(route: str, parameters: object, stage: str, host: str) -> str:
    """`route` with the values of its parameters; after the stage on the API's own domain."""
    path = route[:_PATH_CHARACTERS] or "/"
    for name, value in islice(dictionary(parameters).items(), path.count("{")):
        if isinstance(value, str) and len(path) + len(value) <= _PATH_CHARACTERS:
            encoded = percent_encode(value, _PATH_SAFE)
            path = path.replace(f"{{{name}}}", encoded).replace(f"{{{name}+}}", encoded)
    return f"/{stage}{path}" if stage and ".execute-api." in host else path


def outcome(response: object) -> Outcome:  # noqa: ARG001 - a trigger's functions are called alike
    """No status: the integration response decides it, which the function does not see."""
    return Outcome()
