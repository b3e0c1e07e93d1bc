"""AppSync's Lambda authorization. Pure.

https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http, source
from serverless_instrument.wrapper.events.base import Facts, dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has a token and the operation to authorize."""
    if not isinstance(event, dict) or not isinstance(event.get("authorizationToken"), str):
        return False
    context = dictionary(event.get("requestContext"))
    return isinstance(context.get("apiId"), str) and "operationName" in context


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The operation to be authorized; the document and the token are not recorded."""
    attributes: dict[str, object] = {source.EVENT_SOURCE: "aws:appsync:authorizer"}
    operation = text(dictionary(event.get("requestContext")).get("operationName"))
    if operation:
        attributes["graphql.operation.name"] = operation
    headers = http_headers({"headers": event.get("requestHeaders")})
    http.add_peers(attributes, headers)
    return Facts(None, "http", attributes, headers)
