"""Application Load Balancer, with single or multi-value headers. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import text
from serverless_instrument.wrapper.events.carriers import http_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json, Outcome


def infer(event: object) -> bool:
    """Whether it has a method and a request context with ``elb``."""
    if not isinstance(event, dict) or not isinstance(event.get("httpMethod"), str):
        return False
    context = event.get("requestContext")
    return isinstance(context, dict) and "elb" in context


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The request; a load balancer knows no route and leaves the query encoded."""
    return http.server_facts(
        http_headers(event),
        known_methods,
        method=text(event.get("httpMethod")),
        path=text(event.get("path")) or "/",
        query=http.rebuilt_query(event, encoded=True),
    )


def outcome(response: object) -> Outcome:
    """The response's status; without ``statusCode`` the client gets a 502."""
    return http.status_outcome(response, implicit_status=None)
