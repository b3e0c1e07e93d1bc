"""Events in AWS's documented shapes, from tests/events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serverless_instrument.wrapper.events import records_registry, registry
from serverless_instrument.wrapper.settings import Settings

DIRECTORY = Path(__file__).parents[2] / "events"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.json"))
TRIGGERS = (*registry.NAMES, *records_registry.NAMES)
KNOWN_METHODS = Settings({}).known_methods


def load(name: str) -> Any:
    return json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))


def http_request(headers: dict[str, str], **changes: Any) -> dict[str, Any]:
    """The HTTP API event with only these headers, without other sources of them, and `changes`."""
    event: dict[str, Any] = load("http_api_v2")
    event["headers"] = headers
    del event["requestContext"]["domainName"]
    for name in ("sourceIp", "userAgent"):
        del event["requestContext"]["http"][name]
    event.update(changes)
    return event
