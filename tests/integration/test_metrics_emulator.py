"""Metrics of the same invocations in AWS's emulator, which reports nothing of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, invoke
from tests.integration.events import event
from tests.integration.received_metrics import FAAS, Received, by_name
from tests.integration.scenario import COLLECTOR, Environment, Outcome

pytestmark = pytest.mark.integration

FUNCTION_TIMEOUT_S = 3
# The runtime may be a bit late to begin what the emulator then ends on time.
LEAST_HANG_S = 2
WORK_CPU_S = 0.1
EVENTS = (
    event("http_api_v2", basket=20),
    event("http_api_v2", basket=40),
    event("http_api_v2", basket=60, **{"raise": "tea"}),
    event("http_api_v2", hang=True),
)
# https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html is not there to tell them.
FROM_THE_PLATFORM = {"faas.init_duration", "faas.mem_usage"}


@dataclass(frozen=True)
class Run:
    """The outcome, and what came through the collector."""

    outcome: Outcome
    metrics: dict[str, Received]


@pytest.fixture(scope="module")
def run(emulators_with_collector: Emulators) -> Run:
    environment = Environment(
        handler="app.handler",
        task_root=str(FUNCTIONS / "measured"),
        opt=str(emulators_with_collector.layer.full),
        steps=tuple(invoke(payload) for payload in EVENTS),
        environ={
            "AWS_LAMBDA_EXEC_WRAPPER": WRAPPER,
            "AWS_REGION": "eu-central-1",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(FUNCTION_TIMEOUT_S),
        },
        backend=COLLECTOR,
    )
    (outcome,) = emulators_with_collector.run(environment)
    return Run(outcome, by_name(outcome.exports))


def test_invocations_end_as_they_should(run: Run) -> None:
    first, second, third, fourth = [answer.body for answer in run.outcome.answers]
    assert [json.loads(body)["body"] for body in (first, second)] == ["packed", "packed"]
    assert json.loads(third)["errorType"] == "OutOfStockError"
    assert "timed out" in fourth


@pytest.mark.parametrize("name", sorted(FAAS.keys() - FROM_THE_PLATFORM))
def test_each_with_name_unit_and_type(run: Run, name: str) -> None:
    kind, found = FAAS[name], run.metrics[name]
    assert replace(found.kind, bounds=kind.bounds) == kind
    assert kind.bounds in ((), found.kind.bounds)
    assert found.attributes == [{"faas.trigger": "http"}] * len(found.attributes)


def test_how_many_of_each(run: Run) -> None:
    found = {
        name: received.count or sum(received.values)
        for name, received in run.metrics.items()
        if name.startswith("faas.")
    }
    assert found == {
        "faas.coldstarts": 1,
        "faas.invocations": 2,
        "faas.errors": 2,
        "faas.timeouts": 1,
        "faas.invoke_duration": 4,
        "faas.cpu_usage": 4,
        "faas.net_io": 4,
    }


def test_values(run: Run) -> None:
    duration = run.metrics["faas.invoke_duration"]
    assert WORK_CPU_S <= duration.least < LEAST_HANG_S <= duration.most
    assert duration.total >= 3 * WORK_CPU_S + LEAST_HANG_S
    # The machine's processors, but a network of its own, which has nothing but loopback.
    assert run.metrics["faas.cpu_usage"].total > 2 * WORK_CPU_S
    assert (run.metrics["faas.net_io"].total, run.metrics["faas.net_io"].most) == (0, 0)


def test_the_functions_own(run: Run) -> None:
    assert sum(run.metrics["shop.orders"].values) == 9
    assert sum(run.metrics["shop.packed"].values) == 6
    for name in ("shop.basket", "shop.weight"):
        assert (run.metrics[name].count, run.metrics[name].total) == (3, 120)
        assert (run.metrics[name].least, run.metrics[name].most) == (20, 60)
    assert run.metrics["shop.queue"].values == [20, 40, 60]
