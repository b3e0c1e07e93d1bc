"""A function whose metrics go through collectors to a recording backend and to a real store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.integration.collector import Collector
from tests.integration.emulator import FUNCTIONS
from tests.integration.metrics_store import Store
from tests.integration.received_metrics import Received, by_name
from tests.integration.scenario import RECORDING
from tests.servers.relayed_backend import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from pathlib import Path

    from serverless_instrument.local.environment.invocation import InvocationResult
    from tests.servers.relayed_backend import Backend

FUNCTION_TIMEOUT_S = 4
_TIMEOUT_S = 280
_ARRIVAL_TIMEOUT_S = 30.0
_POLL_S = 0.05


def over_time(series: str, labels: str = 'faas_trigger="http"') -> str:
    """The total of the deltas of one series, in PromQL."""
    return f"sum_over_time({series}{{{labels}}}[1h])"


# The platform's report of the last invocation is the last that is told.
REPORTED = over_time("faas_mem_usage_bytes_count")


@dataclass(frozen=True)
class Run:
    """What came of the invocations.

    Attributes:
        results: one for each invocation.
        duration_s: how long they took all in all.
        said: lines that the processes wrote.
        metrics: what the backend has, by name.
        stored: what each query gave.
    """

    results: list[InvocationResult]
    duration_s: float
    said: list[str]
    metrics: dict[str, Received]
    stored: dict[str, float | None]


@dataclass(frozen=True)
class Programs:
    """Paths of the real parts, and of a directory for their files."""

    store: str
    collector: str
    scratch: Path


def run(
    programs: Programs,
    events: Sequence[object],
    queries: Iterable[str],
    environ: Mapping[str, str] | None = None,
) -> Run:
    """Invoke tests/functions/measured once for each event, then ask the store."""
    outcome = _run(programs, events, queries, environ or {})
    return asyncio.run(asyncio.wait_for(outcome, _TIMEOUT_S))


@contextlib.asynccontextmanager
async def _started(part: Collector | Store) -> AsyncIterator[None]:
    await part.start()
    try:
        yield
    finally:
        await part.stop()


async def _run(
    programs: Programs, events: Sequence[object], queries: Iterable[str], environ: Mapping[str, str]
) -> Run:
    scratch = programs.scratch
    store = Store(programs.store, scratch)
    for name in ("onward", "to-store"):
        (scratch / name).mkdir()
    async with serve(RECORDING) as backend, _started(store):
        onward = Collector(programs.collector, backend.url, scratch / "onward")
        to_store = Collector(programs.collector, store.url, scratch / "to-store")
        async with _started(onward), _started(to_store):
            if not await store.keeps_deltas():
                pytest.skip(
                    f"{programs.store} drops deltas; scripts/test fetches one that does not"
                )
            config = _config(onward.url, to_store.url, environ)
            results, duration_s, said = await _invoked(config, events)
            await asyncio.wait_for(_reported(backend, len(events)), _ARRIVAL_TIMEOUT_S)
            await store.becomes(REPORTED, len(events))
        stored = {query: await store.value(query) for query in queries}
        return Run(results, duration_s, said, by_name(backend.exports()), stored)


def _config(url: str, store_url: str, environ: Mapping[str, str]) -> LocalConfig:
    return LocalConfig(
        "app.handler",
        FUNCTIONS / "measured",
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "SERVERLESS_INSTRUMENT_DESTINATIONS": "store",
            "SERVERLESS_INSTRUMENT_DESTINATION_STORE_METRICS_ENDPOINT": f"{store_url}/v1/metrics",
            **environ,
        },
        base_env={"PATH": "/usr/bin:/bin"},
        timeout_s=FUNCTION_TIMEOUT_S,
    )


async def _invoked(
    config: LocalConfig, events: Sequence[object]
) -> tuple[list[InvocationResult], float, list[str]]:
    """Results, duration in seconds, and what was said."""
    results = []
    start_s = time.monotonic()
    async with LocalLambda(config) as function:
        for payload in events:
            results.append(await function.invoke(json.dumps(payload).encode()))
            await function.settled()
        duration_s = time.monotonic() - start_s
        await function.shutdown()
        return results, duration_s, [text for _, text in function.log_lines]


async def _reported(backend: Backend, count: int) -> None:
    while by_name(backend.exports()).get("faas.mem_usage", Received()).count < count:
        await asyncio.sleep(_POLL_S)
