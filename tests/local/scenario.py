"""What the tests that run a local Lambda share."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.local.raw_layer import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_Result = TypeVar("_Result")
_PATIENCE_S = 60.0


def run(scenario: Coroutine[Any, Any, _Result]) -> _Result:
    return asyncio.run(asyncio.wait_for(scenario, 90))


async def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        await asyncio.sleep(0.01)


def bare(handler: str, **more: Any) -> LocalConfig:
    return LocalConfig(handler, FUNCTIONS, instrumented=False, **more)


def process_state(pid: int) -> str:
    status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return status.rpartition(")")[2].split()[0]


def runs(pid: int) -> bool:
    """False once it has ended, whether or not its parent, perhaps init, has taken notice."""
    try:
        return process_state(pid) != "Z"
    except FileNotFoundError:
        return False


def records(sandbox: LocalLambda, kind: str) -> list[Any]:
    return [event["record"] for event in sandbox.telemetry if event["type"] == kind]


def kinds(sandbox: LocalLambda) -> list[str]:
    return [event["type"] for event in sandbox.telemetry]
