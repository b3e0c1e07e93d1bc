"""API Gateway WebSocket API: connect, message and disconnect. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-integrations.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import Facts, Outcome, dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

_DOMAIN_CHARACTERS = 255  # RFC 1035, section 2.3.4


def infer(event: object) -> bool:
    """Whether it has a connection and an event type; an authorizer's event has an ARN, too."""
    if not isinstance(event, dict) or "methodArn" in event or "httpMethod" in event:
        return False
    context = dictionary(event.get("requestContext"))
    return (
        isinstance(context.get("connectionId"), str)
        and isinstance(context.get("eventType"), str)
        and not any(key in context for key in ("elb", "http"))
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The event, named by its route: ``$connect``, ``$default`` or one of the user's.

    Only a connection starts with an HTTP request, a GET (RFC 6455, section 4.1). A message has no
    method, no path and no headers.
    """
    context = dictionary(event.get("requestContext"))
    identity = dictionary(context.get("identity"))
    domain_name = text(context.get("domainName"))[:_DOMAIN_CHARACTERS]
    route = text(context.get("routeKey"))
    attributes: dict[str, object] = {}
    if context.get("eventType") == "CONNECT":
        attributes["http.request.method"] = "GET"
        if ".execute-api." in domain_name:  # a custom domain's mapping is not in the event
            attributes["url.path"] = "/" + text(context.get("stage"))
        query = http.rebuilt_query(event, encoded=False)
        if query:
            attributes["url.query"] = http.redacted(query)
    if route:
        attributes["http.route"] = route
    headers = http_headers(event)
    http.add_peers(
        attributes,
        headers,
        source_ip=text(identity.get("sourceIp")),
        user_agent=text(identity.get("userAgent")),
        domain_name=domain_name,
    )
    return Facts(route or None, "http", attributes, headers)


def outcome(response: object) -> Outcome:
    """The status of a response that has one; it decides whether a connection is accepted.

    The result for a message may be anything, as may that of a connection behind a non-proxy
    integration.
    """
    if isinstance(response, dict) and response.get("statusCode") is not None:
        return http.status_outcome(response, implicit_status=None)
    return Outcome()
