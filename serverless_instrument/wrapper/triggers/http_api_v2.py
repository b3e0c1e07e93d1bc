"""API Gateway HTTP API, payload format 2.0. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json, Outcome

_DOMAIN_CHARACTERS = 255  # RFC 1035, section 2.3.4


def infer(event: object) -> bool:
    """Whether it is in format 2.0, and no function URL's and no authorizer's event."""
    return is_format_2(event) and not is_function_url(event)


def is_format_2(event: object) -> bool:
    """Whether it is an HTTP request in format 2.0; authorizer requests (``type``) are not."""
    if not isinstance(event, dict) or event.get("version") != "2.0" or "type" in event:
        return False
    context = event.get("requestContext")
    if not isinstance(context, dict):
        return False
    request = context.get("http")
    return isinstance(request, dict) and isinstance(request.get("method"), str)


def is_function_url(event: object) -> bool:
    """Whether the domain is ``<id>.lambda-url.<region>.on.aws``, as behind any other domain."""
    context = dictionary(dictionary(event).get("requestContext"))
    return ".lambda-url." in text(context.get("domainName"))[:_DOMAIN_CHARACTERS]


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request; ``routeKey`` is ``METHOD /route``, or ``$default``, which names no route.

    ``rawPath`` includes the stage where the client's path does. This format lacks the base path of
    a custom domain's mapping (AWS's page, above), so the path lacks it, too.
    """
    context = dictionary(event.get("requestContext"))
    request = dictionary(context.get("http"))
    route_key = text(event.get("routeKey")) or text(context.get("routeKey"))
    return http.server_facts(
        http_headers(event),
        known_methods,
        method=text(request.get("method")),
        path=text(event.get("rawPath")) or text(request.get("path")) or "/",
        route=route_key[: http.ROUTE_CHARACTERS].partition(" ")[2],
        query=text(event.get("rawQueryString")),
        source_ip=text(request.get("sourceIp")),
        user_agent=text(request.get("userAgent")),
        protocol=text(request.get("protocol")),
        domain_name=text(context.get("domainName")),
    )


def outcome(response: object) -> Outcome:
    """The response's status; without ``statusCode`` it is sent as the body of a 200."""
    return http.status_outcome(response, implicit_status=200)
