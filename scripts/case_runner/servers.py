"""Servers that functions of cases call: one that answers 200 to everything, and moto."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_START_S = 60


@asynccontextmanager
async def answering() -> AsyncIterator[str]:
    """Base URL of a server on loopback that answers every request with 200 and ``{}``."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def moto_server() -> Iterator[str]:
    """Base URL of moto's AWS endpoints, in a process of its own.

    Raises:
        TimeoutError: it does not answer.
    """
    port = 20_000 + os.getpid() % 20_000
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    deadline_s = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
        except OSError:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"moto does not answer at {url}") from None
            time.sleep(0.1)
        else:
            return
