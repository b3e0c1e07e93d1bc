"""Routes of real web frameworks on the invocation's span, one process for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.wrapper.program import Outcome, run

EVENTS = Path(__file__).parents[2] / "events"

FLASK = """
    from flask import Blueprint, Flask
    app = Flask("shop")
    part = Blueprint("part", "shop", url_prefix="/shop")
    @part.get("/items/<int:number>")
    def item(number):
        return "an item"
    @part.get("/broken/<name>")
    def broken(name):
        raise ValueError("broken")
    app.register_blueprint(part)
    def handler(event, context):
        response = app.test_client().get(event["rawPath"])
        return {"statusCode": response.status_code, "body": response.text}
"""
STARLETTE = """
    from mangum import Mangum
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route
    def item(request):
        return PlainTextResponse("an item")
    def broken(request):
        raise ValueError("broken")
    inner = [Route("/items/{number:int}", item), Route("/broken/{name}", broken)]
    app = Starlette(routes=[Route("/other", item), Mount("/shop", routes=inner)])
    handler = Mangum(app, lifespan="off")
"""
FASTAPI = """
    from fastapi import APIRouter, FastAPI
    from mangum import Mangum
    router = APIRouter(prefix="/shop")
    @router.get("/items/{number}")
    async def item(number: int):
        return "an item"
    @router.get("/broken/{name}")
    def broken(name):
        raise ValueError("broken")
    app = FastAPI()
    app.include_router(router)
    handler = Mangum(app, lifespan="off")
"""
FASTAPI_ALONE = """
    from fastapi import FastAPI
    from mangum import Mangum
    app = FastAPI()
    @app.get("/shop/items/{number}")
    def item(number: int):
        return "an item"
    @app.get("/shop/broken/{name}")
    def broken(name):
        raise ValueError("broken")
    handler = Mangum(app, lifespan="off")
"""
DJANGO = """
    import logging
    from django.conf import settings
    settings.configure(ROOT_URLCONF="app", ALLOWED_HOSTS=["*"], SECRET_KEY="-", LOGGING_CONFIG=None)
    logging.getLogger("django").addHandler(logging.NullHandler())
    logging.getLogger("django").propagate = False
    import django
    django.setup()
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import include, path
    def item(request, number):
        return HttpResponse("an item")
    def broken(request, name):
        raise ValueError("broken")
    inner = [path("items/<int:number>", item), path("broken/<str:name>", broken)]
    urlpatterns = [path("shop/", include(inner))]
    wsgi = WSGIHandler()
    def handler(event, context):
        environ, started = RequestFactory().get(event["rawPath"]).environ, []
        body = b"".join(wsgi(environ, lambda status, headers: started.append(int(status[:3]))))
        return {"statusCode": started[0], "body": body.decode()}
"""
POWERTOOLS = """
    from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
    from aws_lambda_powertools.event_handler.router import Router
    app, router = LambdaFunctionUrlResolver(), Router()
    @router.get("/items/<number>")
    def item(number):
        return "an item"
    @router.get("/broken/<name>")
    def broken(name):
        raise ValueError("broken")
    app.include_router(router, prefix="/shop")
    def handler(event, context):
        return app.resolve(event, context)
"""
PROGRAMS = {
    "flask": (FLASK, "/shop/items/<int:number>", "/shop/broken/<name>"),
    "starlette": (STARLETTE, "/shop/items/{number:int}", "/shop/broken/{name}"),
    "fastapi": (FASTAPI, "/shop/items/{number}", "/shop/broken/{name}"),
    "fastapi alone": (FASTAPI_ALONE, "/shop/items/{number}", "/shop/broken/{name}"),
    "django": (DJANGO, "/shop/items/<int:number>", "/shop/broken/<str:name>"),
    "powertools": (POWERTOOLS, "/shop/items/<number>", "/shop/broken/<name>"),
}
SDK = "import opentelemetry.sdk.trace"


def request(path: str, name: str = "function_url") -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = "GET"
    event["rawQueryString"] = ""
    return event


def outcome_of(
    source: str, events: list[dict[str, Any]], line: str = "", disabled: str = ""
) -> Outcome:
    return run((line, source), events, log=None, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled)


@pytest.mark.parametrize("line", ["", SDK], ids=["alone", "sdk"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_route_of_a_framework_names_the_span(name: str, line: str) -> None:
    source, route, _ = PROGRAMS[name]
    outcome = outcome_of(
        source, [request("/shop/items/42"), request("/none"), request("/shop/items/7")], line
    )
    first, unknown, last = outcome.invocations
    for sent in (first, last):
        assert sent.span.name == f"GET {route}"
        assert sent.attributes["http.route"] == route
        assert sent.attributes["http.response.status_code"] == 200
    assert unknown.span.name == "GET"
    assert "http.route" not in unknown.attributes
    assert unknown.attributes["http.response.status_code"] == 404


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_route_that_fails_is_told_as_well(name: str) -> None:
    source, _, route = PROGRAMS[name]
    # Powertools raises the exception from the handler; the others respond with 500.
    outcome = outcome_of(
        (source + "\n    route = handler\n" + CATCHING), [request("/shop/broken/pipe")]
    )
    assert outcome.invocation.attributes["http.route"] == route
    assert outcome.result in ("ValueError", 500)


CATCHING = """
    def handler(event, context):
        import traceback
        try:
            return route(event, context)["statusCode"]
        except Exception as error:
            files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
            assert not [name for name in files if "serverless_instrument" in name], files
            return type(error).__name__
"""


def test_a_route_that_the_gateway_knows_stands() -> None:
    event = request("/shop/items/42", "http_api_v2")
    event["routeKey"] = event["requestContext"]["routeKey"] = "GET /shop/items/{id}"
    outcome = outcome_of(FLASK, [event])
    assert outcome.invocation.span.name == "GET /shop/items/{id}"
    assert outcome.invocation.attributes["http.route"] == "/shop/items/{id}"


@pytest.mark.parametrize("key", ["$default", "ANY /{proxy+}", "GET /shop/{proxy+}"])
def test_a_route_for_every_path_gives_way(key: str) -> None:
    event = request("/shop/items/42", "http_api_v2")
    event["routeKey"] = event["requestContext"]["routeKey"] = key
    outcome = outcome_of(FLASK, [event])
    assert outcome.invocation.span.name == "GET /shop/items/<int:number>"


NAMED = """
    route = handler
    def handler(event, context):
        from opentelemetry import trace
        trace.get_current_span().update_name("a name of the user's")
        return route(event, context)
"""


@pytest.mark.parametrize("line", ["", SDK], ids=["api", "sdk"])
def test_a_name_that_the_user_gave_stands(line: str) -> None:
    outcome = outcome_of(FLASK + NAMED, [request("/shop/items/42")], line)
    assert outcome.invocation.span.name == "a name of the user's"
    assert outcome.invocation.attributes["http.route"] == "/shop/items/<int:number>"


def test_a_disabled_instrumentation_learns_nothing() -> None:
    outcome = outcome_of(FLASK, [request("/shop/items/42")], disabled="flask")
    assert outcome.invocation.span.name == "GET"


def test_an_event_that_is_no_request_keeps_its_name() -> None:
    outcome = outcome_of(FLASK, [{"rawPath": "/shop/items/42"}])
    assert outcome.invocation.span.name == "shop"
    assert "http.route" not in outcome.invocation.attributes
