"""AppSync GraphQL: direct Lambda resolvers, one context at a time or a batch of them. Pure.

https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference-js.html
https://docs.aws.amazon.com/appsync/latest/devguide/tutorial-lambda-resolvers.html (BatchInvoke)
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http, source
from serverless_instrument.wrapper.events.base import Facts, dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

_OPERATIONS = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it names a type and a field to resolve."""
    parent_type, field = _field(_context(event))
    return bool(parent_type and field)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The field, which names the span, and the client.

    All contexts of a batch belong to one field and one request. The document is not recorded.
    """
    context = _context(event)
    parent_type, field = _field(context)
    attributes: dict[str, object] = {source.EVENT_SOURCE: "aws:appsync"}
    if parent_type in _OPERATIONS:
        attributes["graphql.operation.type"] = _OPERATIONS[parent_type]
    request = dictionary(context.get("request"))
    addresses = dictionary(context.get("identity")).get("sourceIp")
    headers = http_headers(request)
    http.add_peers(
        attributes,
        headers,
        source_ip=text(addresses[0]) if isinstance(addresses, list) and addresses else "",
        domain_name=text(request.get("domainName")),
    )
    return Facts(f"{parent_type}.{field}", "http", attributes, headers)


def _field(context: Json) -> tuple[str, str]:
    """(type, field); Amplify's ``@function`` template has them at the top of the event.

    https://docs.amplify.aws/gen1/javascript/build-a-backend/graphqlapi/custom-business-logic/
    """
    if "typeName" in context and "arguments" in context:
        return text(context.get("typeName")), text(context.get("fieldName"))
    info = dictionary(context.get("info"))
    return text(info.get("parentTypeName")), text(info.get("fieldName"))


def _context(event: object) -> Json:
    return dictionary(event[0] if isinstance(event, list) and event else event)
