"""Events as AWS sends them, one file each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def event(name: str, **wanted: object) -> dict[str, Any]:
    """The event of `name`.json; `wanted` tells tests/functions/web/app.py how to answer."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    return {**document, "wanted": wanted} if wanted else document
