"""VPC Lattice, event structure versions V1 and V2. Pure.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html#receive-event-from-service
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import dictionary, text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json, Outcome


def infer(event: object) -> bool:
    """Whether it has a method, and a raw path (V1) or a service network (V2)."""
    if not isinstance(event, dict) or not isinstance(event.get("method"), str):
        return False
    if isinstance(event.get("raw_path"), str):
        return True
    context = dictionary(event.get("requestContext"))
    return isinstance(context.get("serviceNetworkArn"), str) and not any(
        key in context for key in ("elb", "http", "connectionId")
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request; a service knows no route.

    V1 joins the values of a header or a parameter by commas, V2 has lists of them. Lattice leaves
    the parameters encoded, as a load balancer does.
    """
    whole = text(event.get("raw_path")) or text(event.get("path")) or "/"
    path, _, query = whole.partition("?")
    parameters = event.get("query_string_parameters") or event.get("queryStringParameters")
    return http.server_facts(
        http_headers({"headers": event.get("headers"), "multiValueHeaders": event.get("headers")}),
        known_methods,
        method=text(event.get("method")),
        path=path,
        query=query or http.rebuilt_query({"queryStringParameters": parameters}, encoded=True),
    )


def outcome(response: object) -> Outcome:
    """The response's status; without ``statusCode`` the client gets an error."""
    return http.status_outcome(response, implicit_status=None)
