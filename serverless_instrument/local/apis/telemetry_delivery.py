"""Delivery of Telemetry API events to one subscriber, with retries."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp

from serverless_instrument.local.apis.telemetry_subscription import Subscription, TelemetryBuffer
from serverless_instrument.local.environment.platform_events import Event, category

_FIRST_RETRY_S, _LONGEST_RETRY_S, _ATTEMPTS = 0.05, 2.0, 10

OnDropped = Callable[[int, int, str], None]


class TelemetryDelivery:
    """Sends one extension the events that it subscribed to.

    While the environment is frozen nothing is sent, since the extension could not answer. A
    request that was sent before the freeze waits for its answer without a time limit.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        subscription: Subscription,
        thawed: asyncio.Event,
        on_dropped: OnDropped,
    ) -> None:
        self.subscription = subscription
        self._session = session
        self._thawed = thawed
        self._on_dropped = on_dropped
        self._buffer = TelemetryBuffer(subscription)
        self._wake = asyncio.Event()
        self._immediately = False
        self._task = asyncio.create_task(self._run())

    def queue_event(self, event: Event) -> None:
        """Queue `event` if the subscription covers its type."""
        if category(event) not in self.subscription.types:
            return
        self._buffer.add_event(json.dumps(event, separators=(",", ":")).encode(), time.monotonic())
        self._wake.set()

    def deliver_immediately(self) -> None:
        """Send queued and later events without waiting for full batches."""
        self._immediately = True
        self._wake.set()

    async def cancel(self) -> None:
        """Stop, and discard the events that have not been delivered."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wait_until_due()
            await self._thawed.wait()
            batch = self._buffer.take_batch()
            if batch and not await self._post_batch(b"[" + b",".join(batch) + b"]"):
                size_bytes = sum(map(len, batch))
                self._on_dropped(len(batch), size_bytes, "The subscriber did not accept them")
            items, size_bytes = self._buffer.take_dropped_counts()
            if items:
                self._on_dropped(items, size_bytes, "The subscriber is slower than its telemetry")

    async def _wait_until_due(self) -> None:
        while True:
            self._wake.clear()
            due_s = self._buffer.due_s()
            wait_s = None if due_s is None else due_s - time.monotonic()
            if wait_s is not None and (wait_s <= 0 or self._immediately):
                return
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except asyncio.TimeoutError:
                return

    async def _post_batch(self, body: bytes) -> bool:
        """True once the subscriber has answered with success."""
        parts = urlsplit(self.subscription.uri)
        # sandbox.localdomain is the environment's name for itself, here loopback.
        url = f"http://127.0.0.1:{parts.port}{parts.path or '/'}"
        headers = {"Content-Type": "application/json", "Host": parts.netloc}
        pause_s = _FIRST_RETRY_S
        for _ in range(_ATTEMPTS):
            try:
                async with self._session.post(url, data=body, headers=headers) as response:
                    await response.read()
                    if response.status < 300:
                        return True
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_RETRY_S)
            await self._thawed.wait()
        return False
