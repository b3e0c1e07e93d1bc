"""HTTP side of the Runtime API.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from serverless_instrument.local.apis.api_server import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.local.environment.environment import ExecutionEnvironment
    from serverless_instrument.local.environment.invocation import Invocation

_PREFIX = "/2018-06-01/runtime"
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"


def routes(current: Callable[[], ExecutionEnvironment]) -> list[web.RouteDef]:
    """Routes that act on the environment that `current` returns at the time of the call."""

    async def next_invocation(_: web.Request) -> web.Response:
        return _invocation_response(await current().runtime_next())

    async def response(request: web.Request) -> web.Response:
        body = await request.read()
        current().runtime_response(request.match_info["request_id"], body)
        return accepted()

    async def error(request: web.Request) -> web.Response:
        body = await request.read()
        error_type = request.headers.get(_ERROR_TYPE)
        current().runtime_error(request.match_info["request_id"], body, error_type)
        return accepted()

    async def init_error(request: web.Request) -> web.Response:
        current().runtime_init_error(await request.read(), request.headers.get(_ERROR_TYPE))
        return accepted()

    return [
        web.get(f"{_PREFIX}/invocation/next", next_invocation),
        web.post(_PREFIX + "/invocation/{request_id}/response", response),
        web.post(_PREFIX + "/invocation/{request_id}/error", error),
        web.post(f"{_PREFIX}/init/error", init_error),
    ]


def accepted() -> web.Response:
    """A 202 response with the body that AWS sends."""
    return answer({"status": "OK"}, status=202)


def _invocation_response(invocation: Invocation) -> web.Response:
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_unix_ms),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
        "Lambda-Runtime-Trace-Id": invocation.trace_id,
    }
    if invocation.client_context is not None:
        headers["Lambda-Runtime-Client-Context"] = invocation.client_context
    return web.Response(body=invocation.event, headers=headers)
