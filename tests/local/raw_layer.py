"""Layers whose one extension is `raw_extension`, and what it wrote down."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serverless_instrument.local.sandbox import LocalConfig

FUNCTIONS = Path(__file__).resolve().parent.parent / "functions" / "local"
_SCRIPT = Path(__file__).resolve().parent / "raw_extension.py"


@dataclass
class RawLayer:
    """A layer directory without an exec wrapper, and the journal of its extension."""

    directory: Path
    journal: Path

    def config(
        self, handler: str, orders: dict[str, Any] | None = None, **more: Any
    ) -> LocalConfig:
        """A function of tests/functions/local beside the raw extension with these `orders`."""
        env = {
            "RAW_EXTENSION": json.dumps(orders or {}),
            "RAW_EXTENSION_JOURNAL": str(self.journal),
            **more.pop("env", {}),
        }
        return LocalConfig(handler, FUNCTIONS, env, self.directory, **more)

    def entries(self, what: str | None = None) -> list[dict[str, Any]]:
        """The journal so far, or its entries of one kind."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if what is None or entry["what"] == what]

    def events(self) -> list[dict[str, Any]]:
        """What /next answered with."""
        return [entry["event"] for entry in self.entries("event")]

    def posts(self) -> list[dict[str, Any]]:
        """Every Telemetry API event that was delivered and not refused."""
        posts = [entry for entry in self.entries("post") if not entry["refused"]]
        return [event for post in posts for event in post["events"]]


def make_raw_layer(directory: Path, name: str = "raw") -> RawLayer:
    """A layer at `directory` whose extension is called `name`."""
    extensions = directory / "layer" / "extensions"
    extensions.mkdir(parents=True)
    launcher = extensions / name
    command = shlex.join([sys.executable, str(_SCRIPT)])
    launcher.write_text(f'#!/bin/sh\nexec {command} "$0"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return RawLayer(directory / "layer", directory / "journal")
