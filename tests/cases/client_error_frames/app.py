"""The traceback of an error of a client library, and of the errors that it chains."""

import asyncio
import os
import urllib.request

import aiohttp
import boto3
import httpx
import requests
import urllib3

URL = "http://127.0.0.1:1/"
sqs = boto3.client("sqs", endpoint_url=os.environ["MOTO"], region_name="us-east-1")
kept = []


async def with_aiohttp():
    async with aiohttp.ClientSession() as session:
        await session.get(URL)


async def with_httpx():
    async with httpx.AsyncClient() as client:
        await client.get(URL)


async def gathered():
    task = asyncio.create_task(with_httpx())
    (error,) = await asyncio.gather(task, return_exceptions=True)
    raise error


CALLS = {
    "boto3": lambda: sqs.get_queue_url(QueueName="nosuch"),
    "parameters": lambda: sqs.get_queue_url(Wrong=1),
    "requests": lambda: requests.get(URL, timeout=1),
    "httpx": lambda: httpx.get(URL),
    "httpx_async": lambda: asyncio.run(with_httpx()),
    "gathered": lambda: asyncio.run(gathered()),
    "urllib3": lambda: urllib3.PoolManager(retries=False).request("GET", URL),
    "urllib": lambda: urllib.request.urlopen(URL),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "aiohttp_arguments": lambda: aiohttp.ClientSession(nonsense=1),
}


def frames(error):
    traceback, names = error.__traceback__, []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file = code.co_filename.rpartition("/")[2]
        names.append(f"{file}:{traceback.tb_lineno}:{code.co_name}")
        traceback = traceback.tb_next
    return names


def handler(event, context):
    found = []
    for call in [*CALLS.values(), *CALLS.values()]:
        try:
            call()
        except Exception as error:
            kept.append(error)
    for error in kept:
        while error is not None:
            found.append([type(error).__name__, *frames(error)])
            error = error.__cause__ or error.__context__
    kept.clear()
    return found
