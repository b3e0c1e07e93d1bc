"""A subscription to the Telemetry API: its parser, its limits and its buffer. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SCHEMA_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")
TYPES = ("platform", "function", "extension")
_HOSTS = ("sandbox.localdomain", "sandbox")
_RUNTIME_API_PORT = 9001

# Lowest, highest and default value of each setting.
_LIMITS = {
    "maxItems": (1_000, 10_000, 10_000),
    "maxBytes": (262_144, 1_048_576, 262_144),
    "timeoutMs": (25, 30_000, 1_000),
}

# AWS does not publish the platform's limit.
MAX_BUFFERED_BYTES = 16 * 1024 * 1024


class SubscriptionError(Exception):
    """The request is invalid: the Telemetry API answers 400 ValidationError."""


@dataclass(frozen=True)
class Subscription:
    """Event types, destination and batch limits that one extension asked for."""

    types: tuple[str, ...]
    uri: str
    schema_version: str
    max_items: int
    max_bytes: int
    timeout_ms: int


def parse_subscription(body: bytes) -> Subscription:
    """The subscription that a PUT asks for.

    Raises:
        SubscriptionError: the message says what is wrong.
    """
    try:
        request = json.loads(body)
    except ValueError:
        raise SubscriptionError("request body is not valid JSON") from None
    if not isinstance(request, dict):
        raise SubscriptionError("request body must be a JSON object")
    version = request.get("schemaVersion")
    if version not in SCHEMA_VERSIONS:
        raise SubscriptionError(f"schemaVersion must be one of {', '.join(SCHEMA_VERSIONS)}")
    types = request.get("types")
    if not isinstance(types, list) or not types or any(kind not in TYPES for kind in types):
        raise SubscriptionError(f"types must be a list of {', '.join(TYPES)}")
    limits = _parse_limits(request.get("buffering", {}))
    return Subscription(
        types=tuple(types),
        uri=_parse_destination(request.get("destination")),
        schema_version=version,
        max_items=limits["maxItems"],
        max_bytes=limits["maxBytes"],
        timeout_ms=limits["timeoutMs"],
    )


def _parse_limits(buffering: Any) -> dict[str, int]:
    if not isinstance(buffering, dict):
        raise SubscriptionError("buffering must be an object")
    limits = {}
    for name, (lowest, highest, default) in _LIMITS.items():
        value = buffering.get(name, default)
        if type(value) is not int or not lowest <= value <= highest:
            raise SubscriptionError(f"buffering.{name} must be from {lowest} to {highest}")
        limits[name] = value
    return limits


def _parse_destination(destination: Any) -> str:
    if not isinstance(destination, dict) or destination.get("protocol") != "HTTP":
        raise SubscriptionError("destination.protocol must be HTTP; TCP is not offered locally")
    uri = destination.get("URI")
    try:
        parts = urlsplit(uri if isinstance(uri, str) else "")
        port = parts.port
    except ValueError:
        raise SubscriptionError("destination.URI is not a valid URI") from None
    if parts.scheme != "http" or parts.hostname not in _HOSTS or not port:
        raise SubscriptionError("destination.URI must be http://sandbox.localdomain:PORT")
    if port == _RUNTIME_API_PORT:
        raise SubscriptionError(f"destination.URI: port {port} is reserved")
    return str(uri)


class TelemetryBuffer:
    """Events for one subscriber, in batches as its buffering settings say.

    Times are seconds of one monotonic clock.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._items: deque[tuple[bytes, float]] = deque()
        self._size_bytes = 0
        self.dropped_items = 0
        self.dropped_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def add_event(self, item: bytes, now_s: float) -> None:
        """Add one encoded event; a full buffer counts and drops it."""
        if self._size_bytes + len(item) > MAX_BUFFERED_BYTES:
            self.dropped_items += 1
            self.dropped_bytes += len(item)
            return
        self._items.append((item, now_s))
        self._size_bytes += len(item)

    def due_s(self) -> float | None:
        """When the next batch is due, a past time meaning now; None if the buffer is empty."""
        if not self._items:
            return None
        first_s = self._items[0][1]
        limits = self._subscription
        if len(self._items) >= limits.max_items or self._size_bytes >= limits.max_bytes:
            return first_s
        return first_s + limits.timeout_ms / 1000

    def take_batch(self) -> list[bytes]:
        """Remove and return the next batch: at most maxItems, and no item after maxBytes."""
        batch: list[bytes] = []
        size_bytes = 0
        while self._items and len(batch) < self._subscription.max_items:
            if size_bytes >= self._subscription.max_bytes:
                break
            item, _ = self._items.popleft()
            batch.append(item)
            size_bytes += len(item)
        self._size_bytes -= size_bytes
        return batch

    def take_dropped_counts(self) -> tuple[int, int]:
        """(items, bytes) dropped since the last call."""
        dropped = self.dropped_items, self.dropped_bytes
        self.dropped_items = self.dropped_bytes = 0
        return dropped
