"""One handler for each HTTP client; the event names the URL."""

import importlib
import sys


def _loaded():
    return sorted(name for name in sys.modules if name.startswith("opentelemetry.instrumentation."))


def uses_urllib(event, context):
    from urllib.request import urlopen

    with urlopen(event["url"]) as answer:
        return answer.status


def uses_urllib3(event, context):
    import urllib3

    return urllib3.PoolManager().request("GET", event["url"]).status


def uses_requests(event, context):
    import requests

    return requests.get(event["url"]).status_code


def uses_httpx(event, context):
    import httpx

    return httpx.get(event["url"]).status_code


def uses_httpx_async(event, context):
    import asyncio

    import httpx

    async def get():
        async with httpx.AsyncClient() as client:
            return (await client.get(event["url"])).status_code

    return asyncio.run(get())


def uses_aiohttp(event, context):
    import asyncio

    import aiohttp

    async def get():
        async with aiohttp.ClientSession() as session, session.get(event["url"]) as answer:
            return answer.status

    return asyncio.run(get())


def uses_all(event, context):
    """Every client in turn, in one process: who instruments whom must not matter."""
    clients = (uses_urllib, uses_urllib3, uses_requests, uses_httpx, uses_httpx_async, uses_aiohttp)
    return [client(event, context) for client in clients]


def fails(event, context):
    """The client's own exception is the caller's to see."""
    module, _, function = event["call"].partition(":")
    try:
        getattr(importlib.import_module(module), function)(event["url"])
    except Exception as error:
        return [type(error).__module__, type(error).__qualname__]
    return None


def only_imports(event, context):
    import http.client  # noqa: F401
    import urllib.request  # noqa: F401

    return _loaded()
