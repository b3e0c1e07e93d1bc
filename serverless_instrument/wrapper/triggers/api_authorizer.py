"""Lambda authorizers of API Gateway: token, request 1.0 and 2.0, and of WebSocket APIs. Pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import Facts, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

# A longer ARN is cut: the part that is read comes before the path, and is short.
_ARN_CHARACTERS = 2048
_EVENT_SOURCE = "aws:apigateway:authorizer"

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has a type and the ARN of the method or route."""
    return (
        isinstance(event, dict)
        and event.get("type") in ("TOKEN", "REQUEST")
        and (isinstance(event.get("methodArn"), str) or isinstance(event.get("routeArn"), str))
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request to be authorized, as far as the event has it.

    The span has the function's name; the route names the span of the function that answers.
    """
    if event.get("type") == "TOKEN":
        found = _of_arn(text(event.get("methodArn")), known_methods)
    elif "routeArn" in event:
        from serverless_instrument.wrapper.triggers import http_api_v2

        found = http_api_v2.facts(event, known_methods)
    elif "httpMethod" in event:
        from serverless_instrument.wrapper.triggers import rest_v1

        found = rest_v1.facts(event, known_methods)
    else:
        from serverless_instrument.wrapper.triggers import websocket

        found = websocket.facts(event, known_methods)
    attributes = {source.EVENT_SOURCE: _EVENT_SOURCE, **found.attributes}
    return Facts(None, "http", attributes, found.carrier)


def _of_arn(method_arn: str, known_methods: frozenset[str]) -> Facts:
    """The method of ``arn:aws:execute-api:region:account:api/stage/METHOD/path``.

    The requested path does not follow from it: it has the stage on the API's own domain only.
    """
    parts = method_arn[:_ARN_CHARACTERS].split("/", 3)
    method = parts[2] if len(parts) > 2 else ""
    attributes: dict[str, object] = {}
    if method:
        attributes["http.request.method"] = method if method in known_methods else "_OTHER"
    if method and method not in known_methods:
        attributes["http.request.method_original"] = method
    return Facts(None, "http", attributes, {})
