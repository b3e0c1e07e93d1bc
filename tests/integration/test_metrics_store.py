"""Metrics of a cold start, a success, an error and a timeout: through a collector, in a store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.integration.backend import serve
from tests.integration.collector import Collector
from tests.integration.conftest import COLLECTOR, program
from tests.integration.emulator import FUNCTIONS
from tests.integration.events import event
from tests.integration.metrics_store import Store
from tests.integration.received_metrics import FAAS, Kind, Received, by_name
from tests.integration.scenario import RECORDING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from serverless_instrument.local.invocation import InvocationResult
    from tests.integration.backend import Backend

pytestmark = pytest.mark.integration

_TIMEOUT_S = 110
_ARRIVAL_TIMEOUT_S = 30.0
_POLL_S = 0.05
FUNCTION_TIMEOUT_S = 4
# The runtime may be a bit late to begin what the platform then ends on time.
LEAST_HANG_S = 3
# CPU time that the function takes for each invocation but the one that hangs.
WORK_CPU_S = 0.1
# What a clock tick leaves of it: https://man7.org/linux/man-pages/man5/proc.5.html, /proc/stat.
LEAST_CPU_S = 0.08
BYTES_PER_MB = 1024 * 1024
EVENTS = (
    event("http_api_v2", basket=20),
    event("http_api_v2", basket=40),
    event("http_api_v2", basket=60, **{"raise": "tea"}),
    event("http_api_v2", hang=True),
)
HTTP = 'faas_trigger="http"'


def over_time(series: str, labels: str = HTTP) -> str:
    """The total of the deltas of one series, in PromQL."""
    return f"sum_over_time({series}{{{labels}}}[1h])"


INVOKED = over_time("faas_invoke_duration_seconds_count")
# The platform's report of the last invocation is the last that is told.
REPORTED = over_time("faas_mem_usage_bytes_count")
# The store appends the unit in words to a name, and _total to that of a sum which only grows.
EXACT = {
    over_time("faas_coldstarts_total"): 1,
    over_time("faas_invocations_total"): 2,
    over_time("faas_errors_total"): 2,
    over_time("faas_timeouts_total"): 1,
    INVOKED: 4,
    REPORTED: 4,
    over_time("faas_init_duration_seconds_count"): 1,
    over_time("faas_cpu_usage_seconds_count"): 4,
    over_time("faas_net_io_bytes_count"): 4,
    # Three work for 0.1 s or a bit more, one until its time is up.
    over_time("faas_invoke_duration_seconds_bucket", f'{HTTP},le="0.1"'): 0,
    over_time("faas_invoke_duration_seconds_bucket", f'{HTTP},le="2.5"'): 3,
    over_time("faas_invoke_duration_seconds_bucket", f'{HTTP},le="+Inf"'): 4,
    # The function's own, of the three invocations that came to an end.
    over_time("shop_orders_total", 'kind="book"'): 9,
    over_time("shop_packed_total", 'kind="book"'): 6,
    over_time("shop_basket_EUR_count", ""): 3,
    over_time("shop_basket_EUR_sum", ""): 120,
    over_time("shop_weight_grams_sum", ""): 120,
    "last_over_time(shop_queue[1h])": 60,
}
INIT_S = over_time("faas_init_duration_seconds_sum")
INVOKE_S = over_time("faas_invoke_duration_seconds_sum")
MEMORY_BYTES = over_time("faas_mem_usage_bytes_sum")
CPU_S = over_time("faas_cpu_usage_seconds_sum")
NETWORK_BYTES = over_time("faas_net_io_bytes_sum")
IN_BOUNDS = (INIT_S, INVOKE_S, MEMORY_BYTES, CPU_S, NETWORK_BYTES)


@dataclass(frozen=True)
class Run:
    """What came of the invocations; `stored` is what each query gave."""

    results: list[InvocationResult]
    duration_s: float
    said: list[str]
    metrics: dict[str, Received]
    stored: dict[str, float | None]


@pytest.fixture(scope="module")
def run(store: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    scratch = tmp_path_factory.mktemp("metrics")
    return asyncio.run(asyncio.wait_for(_run(store, program(COLLECTOR), scratch), _TIMEOUT_S))


@contextlib.asynccontextmanager
async def started(part: Collector | Store) -> AsyncIterator[None]:
    await part.start()
    try:
        yield
    finally:
        await part.stop()


async def _run(store_program: str, collector_program: str, scratch: Path) -> Run:
    store = Store(store_program, scratch)
    for name in ("onward", "to-store"):
        (scratch / name).mkdir()
    async with serve(RECORDING) as backend, started(store):
        onward = Collector(collector_program, backend.url, scratch / "onward")
        to_store = Collector(collector_program, store.url, scratch / "to-store")
        async with started(onward), started(to_store):
            if not await store.keeps_deltas():
                pytest.skip(f"{store_program} stores no deltas; scripts/test fetches one that does")
            results, duration_s, said = await _invoked(onward.url, to_store.url)
            await asyncio.wait_for(_reported(backend, len(EVENTS)), _ARRIVAL_TIMEOUT_S)
            await store.becomes(REPORTED, len(EVENTS))
        stored = {query: await store.value(query) for query in (*EXACT, *IN_BOUNDS)}
        return Run(results, duration_s, said, by_name(backend.exports()), stored)


async def _invoked(url: str, store_url: str) -> tuple[list[InvocationResult], float, list[str]]:
    """Results, how long the invocations took all in all, in seconds, and what was said."""
    config = LocalConfig(
        "app.handler",
        FUNCTIONS / "measured",
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "SERVERLESS_INSTRUMENT_DESTINATIONS": "store",
            "SERVERLESS_INSTRUMENT_DESTINATION_STORE_METRICS_ENDPOINT": f"{store_url}/v1/metrics",
        },
        base_env={"PATH": "/usr/bin:/bin"},
        timeout_s=FUNCTION_TIMEOUT_S,
    )
    results = []
    start_s = time.monotonic()
    async with LocalLambda(config) as function:
        for payload in EVENTS:
            results.append(await function.invoke(json.dumps(payload).encode()))
            await function.settled()
        duration_s = time.monotonic() - start_s
        await function.shutdown()
        return results, duration_s, [text for _, text in function.log_lines]


async def _reported(backend: Backend, count: int) -> None:
    while by_name(backend.exports()).get("faas.mem_usage", Received()).count < count:
        await asyncio.sleep(_POLL_S)


def test_invocations_end_as_they_should(run: Run) -> None:
    assert [result.status for result in run.results] == ["success", "success", "error", "timeout"]
    assert not [line for line in run.said if line.startswith("serverless-instrument:")]


@pytest.mark.parametrize("name", FAAS)
def test_collector_passes_each_on_with_name_unit_and_type(run: Run, name: str) -> None:
    kind, found = FAAS[name], run.metrics[name]
    assert replace(found.kind, bounds=kind.bounds) == kind
    assert kind.bounds in ((), found.kind.bounds)  # those of bytes are for us to choose
    assert list(found.kind.bounds) == sorted(set(found.kind.bounds))
    assert found.attributes == [{"faas.trigger": "http"}] * len(found.attributes)
    assert {resource["faas.name"] for resource in found.resources} == {"measured"}
    assert {resource["service.name"] for resource in found.resources} == {"measured"}


def test_no_other_of_the_faas_kind(run: Run) -> None:
    assert {name for name in run.metrics if name.startswith("faas.")} == set(FAAS)


def test_collector_passes_the_functions_own_on(run: Run) -> None:
    own = {name: found.kind for name, found in run.metrics.items() if name.startswith("shop.")}
    bounds = own["shop.weight"].bounds
    assert own == {
        "shop.orders": Kind("{order}", "sum", delta=True, monotonic=True),
        "shop.packed": Kind("{item}", "sum", delta=True, monotonic=True),
        "shop.basket": Kind("EUR", "histogram", delta=True, bounds=bounds),
        "shop.weight": Kind("g", "histogram", delta=True, bounds=bounds),
        "shop.queue": Kind("", "gauge"),
    }
    assert run.metrics["shop.orders"].attributes == [{"kind": "book"}] * 3
    assert run.metrics["shop.queue"].values == [20, 40, 60]


def test_histograms_are_whole(run: Run) -> None:
    for name in [name for name, kind in FAAS.items() if kind.type == "histogram"]:
        found = run.metrics[name]
        assert sum(found.buckets) == found.count, name
        assert found.least * found.count <= found.total <= found.most * found.count, name


@pytest.mark.parametrize("query", EXACT)
def test_store_has_each_value(run: Run, query: str) -> None:
    assert run.stored[query] == EXACT[query]


def test_store_has_durations_within_what_they_took(run: Run) -> None:
    invoked_s, init_s = run.stored[INVOKE_S], run.stored[INIT_S]
    assert invoked_s is not None
    assert 3 * WORK_CPU_S + LEAST_HANG_S <= invoked_s < run.duration_s
    assert run.results[0].init_duration_ms is not None
    assert init_s == pytest.approx(run.results[0].init_duration_ms / 1000, abs=1e-3)
    slowest_s = run.metrics["faas.invoke_duration"].most
    assert LEAST_HANG_S <= slowest_s < run.duration_s


def test_store_has_the_memory_that_the_platform_reports(run: Run) -> None:
    used_mb = [result.max_memory_used_mb or 0 for result in run.results]
    assert min(used_mb) > 0
    assert run.stored[MEMORY_BYTES] == sum(used_mb) * BYTES_PER_MB


def test_store_has_cpu_time_and_traffic(run: Run) -> None:
    cpu_s, network_bytes = run.stored[CPU_S], run.stored[NETWORK_BYTES]
    assert cpu_s is not None
    assert cpu_s >= 3 * LEAST_CPU_S
    assert network_bytes is not None
    assert network_bytes >= 0
