"""The platform's telemetry: every event of a local Lambda, and its subscribers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from serverless_instrument.local.apis.telemetry_delivery import TelemetryDelivery
from serverless_instrument.local.environment import platform_events
from serverless_instrument.local.environment.sandbox_state import RefusedError

if TYPE_CHECKING:
    from serverless_instrument.local.apis.telemetry_subscription import Subscription
    from serverless_instrument.local.environment.log_stream import LogRecord
    from serverless_instrument.local.environment.platform_events import Event


class Telemetry:
    """Keeps every event and sends it to the subscribers of the running environment.

    It is the `environment.telemetry_sink.TelemetrySink` of a local Lambda.

    Attributes:
        events: all events so far, over all environments.
        thawed: set while the processes may run; deliveries wait for it.
    """

    def __init__(self, *, json_logs: bool) -> None:
        self.events: list[Event] = []
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._json_logs = json_logs
        self._session: aiohttp.ClientSession | None = None
        self._deliveries: dict[str, TelemetryDelivery] = {}
        self._first_of_environment = 0
        self._open = False

    def open_subscriptions(self) -> None:
        """Accept subscriptions: a new environment starts."""
        self._first_of_environment = len(self.events)
        self._open = True

    def close_subscriptions(self) -> None:
        """Refuse subscriptions: the initialization is over."""
        self._open = False

    def subscribe(self, extension: str, subscription: Subscription) -> None:
        """Send `extension` the events that it asked for, earlier ones of the environment included.

        Raises:
            RefusedError: the initialization is over.
        """
        if not self._open:
            message = "Telemetry API is no longer accepting subscriptions"
            raise RefusedError("Telemetry.SubscriptionClosed", message)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        replaced = self._deliveries.pop(extension, None)
        if replaced is not None:
            replaced.deliver_immediately()
        delivery = TelemetryDelivery(self._session, subscription, self.thawed, self._report_dropped)
        for event in self.events[self._first_of_environment :]:
            delivery.queue_event(event)
        self._deliveries[extension] = delivery
        types = list(subscription.types)
        record = {"name": extension, "state": "Subscribed", "types": types}
        self.emit_event("platform.telemetrySubscription", record)

    def emit_event(self, kind: str, record: Any, time_unix_ns: int | None = None) -> None:
        """Record one event, of now if no time is given, and send it to every subscriber."""
        event = platform_events.event(kind, record, time_unix_ns or time.time_ns())
        self.events.append(event)
        for delivery in self._deliveries.values():
            delivery.queue_event(event)

    def emit_log_line(self, source: str, line: LogRecord) -> None:
        """Record a log line; `source` is ``function`` or ``extension``.

        With the JSON log format a line that is a JSON object arrives as one:
        https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#telemetry-api-function
        """
        record: Any = line.text
        if self._json_logs and source == "function" and line.text.startswith("{"):
            try:
                record = json.loads(line.text)
            except ValueError:
                record = line.text
        self.emit_event(source, record, line.time_unix_ns)

    def deliver_immediately(self) -> None:
        """Stop waiting for full batches: the environment shuts down."""
        for delivery in self._deliveries.values():
            delivery.deliver_immediately()

    async def end_environment(self) -> None:
        """Drop the subscriptions: the environment's processes are gone."""
        deliveries, self._deliveries = list(self._deliveries.values()), {}
        await asyncio.gather(*(delivery.cancel() for delivery in deliveries))

    async def close(self) -> None:
        """Drop the subscriptions and close the connections to subscribers."""
        await self.end_environment()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _report_dropped(self, items: int, size_bytes: int, reason: str) -> None:
        record = {"droppedRecords": items, "droppedBytes": size_bytes, "reason": reason}
        self.emit_event("platform.logsDropped", record)
