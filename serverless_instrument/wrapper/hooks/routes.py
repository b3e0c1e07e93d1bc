"""The route that a web framework in the function matches, for the invocation's span.

A gateway that forwards every path (``$default``, ``{proxy+}``, a load balancer, a function URL)
knows no route; the framework behind it does. Each function here wraps one method of a framework
that matches routes and runs none of the user's code, so that no frame of ours is in an exception's
traceback. https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server (http.route)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.records import is_ours
from serverless_instrument.wrapper.records.function_identity import copy_identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    RouteCallback = Callable[[str], None]

# ASGI lets applications put keys of their own into a scope, under their name:
# https://asgi.readthedocs.io/en/latest/extensions.html
_PREFIX = "serverless_instrument.route_prefix"


def flask(module: ModuleType, on_route: RouteCallback) -> None:
    """`module` is flask.ctx."""
    # Later releases have one context class for both.
    for name in ("RequestContext", "AppContext"):
        context = getattr(module, name, None)
        if "match_request" in vars(context or object):
            _call_after(context, "match_request", lambda self, *_: _read_flask_rule(self, on_route))


def _read_flask_rule(context: Any, on_route: RouteCallback) -> None:
    rule = getattr(context.request, "url_rule", None)
    if rule is not None:
        on_route(rule.rule)


def starlette(module: ModuleType, on_route: RouteCallback) -> None:
    """`module` is starlette.routing."""
    full = module.Match.FULL

    def route(self: Any, result: Any, scope: Any) -> None:
        if result[0] is full and scope["type"] == "http":
            on_route(scope.get(_PREFIX, "") + self.path)

    def mount(self: Any, result: Any, scope: Any) -> None:
        if result[0] is full and scope["type"] == "http":
            result[1][_PREFIX] = scope.get(_PREFIX, "") + self.path

    _call_after(module.Route, "matches", route)
    _call_after(module.Mount, "matches", mount)


def fastapi(module: ModuleType, on_route: RouteCallback) -> None:
    """`module` is fastapi.routing, whose routes are Starlette's as long as none is included."""
    from starlette.routing import Match

    def route(self: Any, result: Any, scope: Any) -> None:
        if result[0] is Match.FULL and scope["type"] == "http" and isinstance(self.path, str):
            on_route(scope.get(_PREFIX, "") + self.path)

    included = getattr(module, "_EffectiveRouteContext", None)
    if included is not None:
        _call_after(included, "matches", route)


def django(module: ModuleType, on_route: RouteCallback) -> None:
    """`module` is django.core.handlers.base."""

    def resolved(self: Any, match: Any, *_: Any) -> None:  # noqa: ARG001 - as of every method
        # A path relative to the root, or a regular expression.
        route = match.route
        on_route(route if route.startswith("^") else "/" + route)

    _call_after(module.BaseHandler, "resolve_request", resolved)


def powertools(module: ModuleType, on_route: RouteCallback) -> None:
    """`module` is aws_lambda_powertools.event_handler.api_gateway."""

    def appended(self: Any, result: Any, **context: Any) -> None:  # noqa: ARG001 - as of every method
        route: Any = context.get("_route")
        # For an unknown path it makes a route of that path.
        if any(route is known for known in self._static_routes + self._dynamic_routes):
            on_route(route.path)

    _call_after(module.BaseRouter, "append_context", appended)
    resolver = module.ApiGatewayResolver
    if "append_context" in vars(resolver):
        _call_after(resolver, "append_context", appended)


def _call_after(owner: Any, name: str, observe: Callable[..., None]) -> None:
    """Call `observe` with object, result and arguments after each call of a method."""
    original = getattr(owner, name)

    def method(self: Any, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        try:
            observe(self, result, *arguments, **options)
        except Exception as error:  # another release of the framework: the route stays unknown
            if not is_ours(error):
                raise
            return result
        return result

    copy_identity(method, original)
    setattr(owner, name, method)
