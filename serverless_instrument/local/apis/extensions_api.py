"""HTTP side of the Extensions and Telemetry APIs and of the metadata endpoint.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
"""

from __future__ import annotations

import hmac
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from serverless_instrument.local.apis import telemetry_subscription
from serverless_instrument.local.apis.api_server import answer
from serverless_instrument.local.apis.runtime_api import accepted

if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.local.apis.telemetry import Telemetry
    from serverless_instrument.local.environment.environment import ExecutionEnvironment

_PREFIX = "/2020-01-01/extension"
_IDENTIFIER = "Lambda-Extension-Identifier"
_ERROR_TYPE = "Lambda-Extension-Function-Error-Type"


def routes(current: Callable[[], ExecutionEnvironment]) -> list[web.RouteDef]:
    """Routes of the Extensions API, acting on the environment that `current` returns."""

    async def register(request: web.Request) -> web.Response:
        name = request.headers.get("Lambda-Extension-Name", "")
        environment = current()
        extension = environment.register(name, await request.read())
        document = dict(environment.function)
        features = request.headers.get("Lambda-Extension-Accept-Feature", "").split(",")
        if "accountId" in map(str.strip, features):
            document["accountId"] = environment.account_id
        return answer(document, headers={_IDENTIFIER: extension.identifier})

    async def next_event(request: web.Request) -> web.Response:
        event = await current().extension_next(request.headers.get(_IDENTIFIER, ""))
        headers = {"Lambda-Extension-Event-Identifier": str(uuid.uuid4())}
        return answer(event, headers=headers)

    async def error(request: web.Request) -> web.Response:
        await request.read()
        current().extension_error(
            request.headers.get(_IDENTIFIER, ""),
            request.path.removeprefix(f"{_PREFIX}/"),
            request.headers.get(_ERROR_TYPE, ""),
        )
        return accepted()

    return [
        web.post(f"{_PREFIX}/register", register),
        web.get(f"{_PREFIX}/event/next", next_event),
        web.post(f"{_PREFIX}/init/error", error),
        web.post(f"{_PREFIX}/exit/error", error),
    ]


def telemetry_routes(
    current: Callable[[], ExecutionEnvironment], telemetry: Telemetry
) -> list[web.RouteDef]:
    """Routes of the Telemetry API, and of the Logs API before it, which is not supported."""

    async def subscribe(request: web.Request) -> web.Response:
        extension = current().find_extension(request.headers.get(_IDENTIFIER, ""))
        try:
            subscription = telemetry_subscription.parse_subscription(await request.read())
        except telemetry_subscription.SubscriptionError as error:
            document = {"errorType": "ValidationError", "errorMessage": str(error)}
            return answer(document, status=400)
        telemetry.subscribe(extension.name, subscription)
        return answer("OK")

    async def logs(request: web.Request) -> web.Response:
        current().find_extension(request.headers.get(_IDENTIFIER, ""))
        message = "Logs API is not supported"
        document = {"errorType": "Logs.NotSupported", "errorMessage": message}
        return answer(document, status=202)

    return [web.put("/2022-07-01/telemetry", subscribe), web.put("/2020-08-15/logs", logs)]


def metadata_route(token: str) -> web.RouteDef:
    """The metadata endpoint, which has the availability zone."""

    async def metadata(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return answer({"errorMessage": "Unauthorized"}, status=401)
        headers = {"Cache-Control": "private, max-age=43200, immutable"}
        return answer({"AvailabilityZoneID": "use1-az1"}, headers=headers)

    return web.get("/2026-01-15/metadata/execution-environment", metadata)
