"""Events in AWS's documented shapes, from tests/events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serverless_instrument.wrapper.settings import Settings

DIRECTORY = Path(__file__).parents[2] / "events"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.json"))
KNOWN_METHODS = Settings({}).known_methods

# Every other file is a direct invocation as far as HTTP goes.
CLAIMED_BY = {
    "http_api_v2": "http_api_v2",
    "http_api_v2_default_route": "http_api_v2",
    "http_api_v1": "rest_v1",
    "rest_v1": "rest_v1",
    "rest_v1_test_console": "rest_v1",
    "alb": "alb",
    "alb_health_check": "alb",
    "alb_multi_value": "alb",
    "function_url": "function_url",
}


def load(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return event


def http_request(headers: dict[str, str], **changes: Any) -> dict[str, Any]:
    """The HTTP API event with these headers alone, no fallbacks for them, and `changes`."""
    event = load("http_api_v2")
    event["headers"] = headers
    del event["requestContext"]["domainName"]
    for name in ("sourceIp", "userAgent"):
        del event["requestContext"]["http"][name]
    event.update(changes)
    return event
