"""Subscriptions to the Telemetry API, and the buffer between the platform and a subscriber."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.local.apis import telemetry_subscription
from serverless_instrument.local.apis.telemetry_subscription import (
    Subscription,
    SubscriptionError,
    TelemetryBuffer,
    parse_subscription,
)


def request(**changes: Any) -> bytes:
    document = {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function"],
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/x"},
    }
    return json.dumps({**document, **changes}).encode()


def subscription(max_items: int = 1000, max_bytes: int = 262144) -> Subscription:
    return Subscription(("platform",), "", "2022-12-13", max_items, max_bytes, timeout_ms=100)


def test_defaults() -> None:
    parsed = parse_subscription(request())
    assert parsed.types == ("platform", "function")
    assert parsed.uri == "http://sandbox.localdomain:4243/x"
    assert (parsed.max_items, parsed.max_bytes, parsed.timeout_ms) == (10_000, 262_144, 1_000)


def test_buffering_as_asked_for() -> None:
    buffering = {"maxItems": 1000, "maxBytes": 1048576, "timeoutMs": 25}
    parsed = parse_subscription(request(buffering=buffering))
    assert (parsed.max_items, parsed.max_bytes, parsed.timeout_ms) == (1000, 1048576, 25)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "JSON object"),
        (request(schemaVersion="2021-01-01"), "schemaVersion"),
        (request(types=[]), "types"),
        (request(types=["metrics"]), "types"),
        (request(buffering={"timeoutMs": 24}), "timeoutMs must be from 25 to 30000"),
        (request(buffering={"maxItems": 10_001}), "maxItems must be from 1000 to 10000"),
        (request(buffering={"maxBytes": True}), "maxBytes"),
        (request(buffering=[]), "buffering"),
        (request(destination=None), "protocol"),
        (request(destination={"protocol": "TCP", "port": 53000}), "TCP"),
        (request(destination={"protocol": "HTTP", "URI": "http://localhost:80"}), "URI"),
        (request(destination={"protocol": "HTTP", "URI": "http://sandbox.localdomain"}), "URI"),
        (request(destination={"protocol": "HTTP", "URI": "http://sandbox:9001"}), "9001"),
        (request(destination={"protocol": "HTTP", "URI": "http://sandbox:99999"}), "URI"),
    ],
)
def test_what_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(SubscriptionError, match=complaint):
        parse_subscription(body)


def test_portion_is_due_at_its_first_events_timeout() -> None:
    buffer = TelemetryBuffer(subscription())
    assert buffer.due_s() is None
    buffer.add_event(b"1", 10.0)
    buffer.add_event(b"2", 10.09)
    assert buffer.due_s() == pytest.approx(10.1)
    assert buffer.take_batch() == [b"1", b"2"]
    assert buffer.due_s() is None


def test_portion_is_due_at_once_when_full() -> None:
    by_items = TelemetryBuffer(subscription(max_items=2))
    by_items.add_event(b"1", 10.0)
    assert (by_items.due_s() or 0) > 10.0
    by_items.add_event(b"2", 10.0)
    assert by_items.due_s() == 10.0
    by_bytes = TelemetryBuffer(subscription(max_bytes=10))
    by_bytes.add_event(b"x" * 10, 10.0)
    assert by_bytes.due_s() == 10.0


@given(st.lists(st.binary(min_size=1, max_size=30)))
def test_portions_keep_order_lose_nothing_and_hold_the_limits(items: list[bytes]) -> None:
    buffer = TelemetryBuffer(subscription(max_items=3, max_bytes=40))
    for item in items:
        buffer.add_event(item, 0.0)
    portions = []
    while len(buffer):
        portions.append(buffer.take_batch())
    assert [item for portion in portions for item in portion] == items
    for portion in portions:
        assert len(portion) <= 3
        assert sum(map(len, portion[:-1])) < 40


def test_what_no_longer_fits_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_subscription, "MAX_BUFFERED_BYTES", 10)
    buffer = TelemetryBuffer(subscription())
    for item in (b"12345", b"12345", b"123"):
        buffer.add_event(item, 0.0)
    assert buffer.take_batch() == [b"12345", b"12345"]
    assert buffer.take_dropped_counts() == (1, 3)
    assert buffer.take_dropped_counts() == (0, 0)
    buffer.add_event(b"123", 0.0)
    assert buffer.take_batch() == [b"123"]
