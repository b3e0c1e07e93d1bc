"""API Gateway HTTP API, payload format 2.0.

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
    """Format 2.0 with an HTTP request context that is no function URL's and no authorizer's."""
    return is_format_2(event) and not is_function_url(event)


def is_format_2(event: object) -> bool:
    """An HTTP request in payload format 2.0; authorizer requests (``type``) are not."""
    if not isinstance(event, dict) or event.get("version") != "2.0" or "type" in event:
        return False
    context = event.get("requestContext")
    if not isinstance(context, dict):
        return False
    request = context.get("http")
    return isinstance(request, dict) and isinstance(request.get("method"), str)


def is_function_url(event: object) -> bool:
    """A function URL's domain is ``<id>.lambda-url.<region>.on.aws``, whatever domain fronts it."""
    context = dictionary(dictionary(event).get("requestContext"))
    return ".lambda-url." in text(context.get("domainName"))[:_DOMAIN_CHARACTERS]


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request; ``routeKey`` is ``METHOD /route``, or ``$default``, which names no route.

    ``rawPath`` has the stage that the client asked for. A custom domain's mapping is not told by
    this format (AWS's page, above), so its path lacks that base path.
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
    """A response without ``statusCode`` is sent as a 200 with the response as its body."""
    return http.status_outcome(response, implicit_status=200)
