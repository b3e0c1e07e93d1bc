"""API Gateway REST API proxy integration, and HTTP API payload format 1.0. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json, Outcome


def infer(event: object) -> bool:
    """Whether it has method, resource and request context, without ``elb`` (ALB) or ``type``."""
    if not isinstance(event, dict) or "type" in event:
        return False
    context = event.get("requestContext")
    return (
        isinstance(context, dict)
        and "elb" not in context
        and isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("resource"), str)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request; ``resource`` is the route."""
    context = dictionary(event.get("requestContext"))
    identity = dictionary(context.get("identity"))
    return http.server_facts(
        http_headers(event),
        known_methods,
        method=text(event.get("httpMethod")),
        path=_path(event, context),
        route=_route(text(event.get("resource"))),
        query=http.rebuilt_query(event, encoded=False),
        source_ip=text(identity.get("sourceIp")),
        user_agent=text(identity.get("userAgent")),
        protocol=text(context.get("protocol")),
        domain_name=text(context.get("domainName")),
    )


def _path(event: Json, context: Json) -> str:
    """The path that the client requested.

    It includes the stage on the API's own domain, and the mapping's base path on a custom one. The
    context's path has both; the event's lacks the stage. In a test from the console the context's
    path is a template.
    """
    path, asked = text(event.get("path")), text(context.get("path"))
    return (path if "{" in asked else asked) or path or "/"


def _route(resource: str) -> str:
    # HTTP API format 1.0 has its routeKey here: "$default" or "GET /items/{id}".
    if resource.startswith("/"):
        return resource
    return resource[: http.ROUTE_CHARACTERS].partition(" ")[2]


def outcome(response: object) -> Outcome:
    """The response's status; without ``statusCode`` it is malformed, and the client gets a 502."""
    return http.status_outcome(response, implicit_status=None)
