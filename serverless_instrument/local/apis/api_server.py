"""The loopback HTTP server that the processes of a local Lambda talk to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from serverless_instrument.local.environment.sandbox_state import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

# Larger than the limit of a response, so that the API and not the server refuses one.
_MAX_BODY_BYTES = 64 * 1024 * 1024
# Longer than any freeze: a frozen process keeps its connections.
_KEEPALIVE_S = 3600


class ApiServer:
    """Serves `routes` on a free port of 127.0.0.1."""

    def __init__(self, routes: Iterable[web.RouteDef]) -> None:
        application = web.Application(
            middlewares=[_refusals_as_documents], client_max_size=_MAX_BODY_BYTES
        )
        application.add_routes(routes)
        self._runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=_KEEPALIVE_S, shutdown_timeout=0.1
        )
        self.address = ""

    async def start(self) -> None:
        """Listen; `address` is ``127.0.0.1:PORT`` from then on."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening and end the connections."""
        await self._runner.cleanup()


@web.middleware
async def _refusals_as_documents(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as refused:
        document = {"errorMessage": refused.message, "errorType": refused.error_type}
        return answer(document, refused.status)


def answer(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer under the media type that the platform gives, which has no charset."""
    body = json.dumps(document, separators=(",", ":")).encode()
    kind = {"Content-Type": "application/json"}
    return web.Response(body=body, status=status, headers={**kind, **(headers or {})})
