"""A function's own metrics through the real processes: from the handler to the backend."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from serverless_instrument.local.otlp_receiver import OtlpReceiver
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

pytestmark = pytest.mark.integration

FUNCTION = Path(__file__).parents[1] / "functions" / "metrics"
_PATIENCE_S = 90
DELTA, CUMULATIVE = 1, 2


class Outcome(NamedTuple):
    """Responses, and metrics by name, each as often as it was sent."""

    responses: list[Any]
    metrics: dict[str, list[Metric]]
    log: list[str]
    stack: str

    def points(self, name: str) -> list[Any]:
        return [
            point
            for metric in self.metrics.get(name, [])
            for point in getattr(metric, str(metric.WhichOneof("data"))).data_points
        ]


async def _run(
    handler: str, events: list[object], timeout_s: float, env: dict[str, str]
) -> Outcome:
    async with OtlpReceiver() as receiver:
        config = LocalConfig(
            f"app.{handler}",
            FUNCTION,
            env={
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                "SERVERLESS_INSTRUMENT_FLUSH": "periodically,60000",
                **env,
            },
            timeout_s=timeout_s,
        )
        async with LocalLambda(config) as sandbox:
            results = [await sandbox.invoke(json.dumps(event).encode()) for event in events]
            await sandbox.shutdown()
        log = [line for _, line in sandbox.log_lines if "serverless-instrument:" in line]
        responses = [json.loads(result.response) for result in results]
        metrics: defaultdict[str, list[Metric]] = defaultdict(list)
        for item in receiver.metric_points():
            metrics[item[-1].name].append(item[-1])
        exceptions = [
            attribute.value.string_value
            for _, _, span in receiver.spans()
            for event in span.events
            for attribute in event.attributes
            if attribute.key == "exception.stacktrace"
        ]
    return Outcome(responses, dict(metrics), log, "".join(exceptions))


def run(
    handler: str, *events: object, timeout_s: float = 30, env: dict[str, str] | None = None
) -> Outcome:
    scenario = _run(handler, list(events), timeout_s, env or {})
    return asyncio.run(asyncio.wait_for(scenario, _PATIENCE_S))


THREE = ({"ms": 7}, {"ms": 80}, {"ms": 0.5})
HISTOGRAM: tuple[float, ...] = (3, 87.5, 0.5, 80)


@pytest.mark.parametrize("handler", ["own", "api"])
def test_three_in_each_of_three_invocations_flushed_once_are_nine_in_one_point(
    handler: str,
) -> None:
    outcome = run(handler, *THREE)
    assert outcome.responses == [False, False, False]
    assert outcome.log == []
    (metric,) = outcome.metrics["orders"]
    (point,) = metric.sum.data_points
    assert (point.as_int, metric.sum.aggregation_temporality) == (9, DELTA)
    assert metric.sum.is_monotonic
    assert point.start_time_unix_nano < point.time_unix_nano
    (histogram,) = outcome.points("work.duration")
    assert (histogram.count, histogram.sum, histogram.min, histogram.max) == HISTOGRAM
    if handler == "api":
        (totals,) = outcome.metrics["open"]
        assert totals.sum.aggregation_temporality == CUMULATIVE
        assert totals.sum.data_points[0].as_int == 3
        # One for each invocation, from its own trace.
        assert len({exemplar.trace_id for exemplar in point.exemplars}) == 3


def test_the_functions_own_provider_its_views_and_its_reader() -> None:
    outcome = run("provider", *THREE)
    assert outcome.log == []
    assert outcome.responses == [{"work.duration": count} for count in (1, 2, 3)]
    (point,) = outcome.points("orders")
    assert point.as_int == 9
    assert outcome.metrics["work.duration"][0].HasField("exponential_histogram")
    (histogram,) = outcome.points("work.duration")
    assert (histogram.count, histogram.sum, histogram.min, histogram.max) == HISTOGRAM
    assert sum(histogram.positive.bucket_counts) == 3


def test_a_setting_that_only_the_sdk_honours_loads_it() -> None:
    name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    outcome = run("api", *THREE, env={name: "base2_exponential_bucket_histogram"})
    assert outcome.responses == [True, True, True]
    assert [metric.WhichOneof("data") for metric in outcome.metrics["work.duration"]] == [
        "exponential_histogram"
    ]
    assert [point.count for point in outcome.points("work.duration")] == [3]


def test_cumulative_is_the_last_total_and_not_their_sum() -> None:
    preference = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative"}
    outcome = run("api", *THREE, env=preference)
    (metric,) = outcome.metrics["orders"]
    assert metric.sum.aggregation_temporality == CUMULATIVE
    assert [point.as_int for point in metric.sum.data_points] == [9]
    (histogram,) = outcome.points("work.duration")
    assert (histogram.count, histogram.sum, histogram.min, histogram.max) == HISTOGRAM


def test_what_was_measured_before_the_time_is_up_is_sent() -> None:
    outcome = run("hangs", {}, timeout_s=2)
    assert [point.as_int for point in outcome.points("orders")] == [3]
    assert [point.as_int for point in outcome.points("faas.timeouts")] == [1]


def test_what_was_measured_before_an_exit_is_sent() -> None:
    outcome = run("leaves", {})
    assert [point.as_int for point in outcome.points("orders")] == [3]


def test_a_crash_takes_what_its_invocation_has_measured_and_nothing_more() -> None:
    outcome = run("crashes", {"crash": False}, {"crash": True}, {"crash": False})
    assert sum(point.as_int for point in outcome.points("orders")) == 6
    assert sum(point.as_int for point in outcome.points("faas.errors")) == 1


@pytest.mark.parametrize(
    "off", [{"OTEL_METRICS_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}], ids=str
)
@pytest.mark.parametrize("handler", ["own", "api"])
def test_metrics_that_are_switched_off(handler: str, off: dict[str, str]) -> None:
    outcome = run(handler, *THREE, env=off)
    assert "orders" not in outcome.metrics


def test_a_callback_that_hangs_holds_up_nothing_but_metrics() -> None:
    outcome = run("hangs_in_callback", {}, timeout_s=2)
    assert [point.as_int for point in outcome.points("faas.timeouts")] == [1]
    assert "the handler's own stack" in outcome.stack
