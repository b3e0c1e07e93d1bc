"""Metrics of a cold start, a success, an error and a timeout: through a collector, in a store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration import stored_metrics
from tests.integration.conftest import COLLECTOR, program
from tests.integration.events import event
from tests.integration.received_metrics import FAAS, Kind
from tests.integration.stored_metrics import (
    FUNCTION_TIMEOUT_S,
    REPORTED,
    Programs,
    Run,
    over_time,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# The runtime may be a bit late to begin what the platform then ends on time.
LEAST_HANG_S = FUNCTION_TIMEOUT_S - 1
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
INVOKED = over_time("faas_invoke_duration_seconds_count")
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


# Four invocations in one flush: a sample of each series is all there is.
SUCCESSES = EVENTS[:2] * 2
IN_ONE_FLUSH = {
    over_time("faas_invocations_total"): 4,
    over_time("faas_invoke_duration_seconds_count"): 4,
    over_time("shop_orders_total", 'kind="book"'): 12,
    over_time("shop_packed_total", 'kind="book"'): 8,
    over_time("shop_basket_EUR_sum", ""): 120,
    over_time("shop_weight_grams_count", ""): 4,
}
SAMPLES = {query.replace("sum_over_time", "count_over_time"): 1 for query in IN_ONE_FLUSH}


@pytest.fixture(scope="module")
def run(store: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    programs = Programs(store, program(COLLECTOR), tmp_path_factory.mktemp("metrics"))
    return stored_metrics.run(programs, EVENTS, (*EXACT, *IN_BOUNDS))


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


def test_invocations_of_one_flush_are_one_sample(store: str, tmp_path: Path) -> None:
    programs = Programs(store, program(COLLECTOR), tmp_path)
    environ = {"SERVERLESS_INSTRUMENT_FLUSH": "periodically,60000"}
    batched = stored_metrics.run(programs, SUCCESSES, (*IN_ONE_FLUSH, *SAMPLES), environ)
    assert batched.stored == IN_ONE_FLUSH | SAMPLES
    assert batched.metrics["shop.orders"].values == [12]
