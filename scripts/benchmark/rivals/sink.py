"""Takes whatever telemetry anybody sends, at once: HTTP, HTTPS and UDP. A process of its own.

Prints one line of JSON with its ports. ``GET /counts`` tells what has come.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

from aiohttp import web


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's signature
        self._counts["datagrams"] += 1
        self._counts["bytes"] += len(data)


async def main(certificate: str, key: str) -> None:
    """Serve until killed; an empty `certificate` means no TLS."""
    counts = {"requests": 0, "datagrams": 0, "bytes": 0}

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        counts["requests"] += 1
        counts["bytes"] += len(body)
        kind = request.headers.get("Content-Type", "")
        if "protobuf" in kind:
            return web.Response(body=b"", content_type="application/x-protobuf")
        return web.json_response({})

    async def tell(_request: web.Request) -> web.Response:
        return web.json_response(counts)

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="a page")

    application = web.Application(client_max_size=1 << 28)
    application.router.add_get("/counts", tell)
    application.router.add_get("/page", page)
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(counts), ("127.0.0.1", 0)
    )
    ports = [address[1] for address in runner.addresses]
    ports.append(transport.get_extra_info("sockname")[1])
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["", ""])))
