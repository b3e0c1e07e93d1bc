"""Functions that emit CloudWatch's embedded metric format, under the real runtime client."""

from __future__ import annotations

import time
from typing import Any

import pytest

from serverless_instrument.forwarder.inputs import emf
from tests.wrapper.client import Written, run

POWERTOOLS = """
    from aws_lambda_powertools import Metrics, single_metric
    from aws_lambda_powertools.metrics import MetricUnit, MetricResolution
    metrics = Metrics(namespace="shop", service="orders")

    @metrics.log_metrics(capture_cold_start_metric=True)
    def handler(event, context):
        metrics.add_metric(name="Booked", unit=MetricUnit.Count, value=1)
        metrics.add_metric(name="Took", unit=MetricUnit.Milliseconds, value=20.5)
        metrics.add_metric(
            name="Took", unit=MetricUnit.Milliseconds, value=30, resolution=MetricResolution.High
        )
        metrics.add_metadata(key="order", value="o-1")
        with single_metric(name="Size", unit=MetricUnit.Bytes, value=9, namespace="other") as one:
            one.add_dimension(name="kind", value="book")
"""
EMBEDDED_METRICS = """
    import os
    os.environ["AWS_EMF_ENVIRONMENT"] = "Lambda"
    from aws_embedded_metrics import metric_scope

    @metric_scope
    def handler(event, context, metrics):
        metrics.set_namespace("shop")
        metrics.put_dimensions({"kind": "book"})
        for number in range(3):
            metrics.put_metric("Took", number, "Seconds")
        metrics.set_property("order", "o-1")
"""
Told = dict[str, tuple[str, str, dict[str, str], list[tuple[float, int]]]]


def told(written: Written) -> Told:
    """(namespace, unit, attributes, values) by metric name, as the forwarder reads them."""
    found: Told = {}
    for line in written.emf:
        measurements, defects = emf.parse_line(line, time.time_ns())
        assert defects == []
        for each in measurements:
            assert abs(time.time_ns() - each.time_unix_ns) < 3600 * 10**9
            found[each.name] = (each.namespace, each.unit, each.attributes, each.pairs)
    return found


def test_powertools() -> None:
    written = run(POWERTOOLS)
    service = {"service": "orders"}
    assert told(written) == {
        "Booked": ("shop", "{count}", service, [(1, 1)]),
        "Took": ("shop", "ms", service, [(20.5, 1), (30, 1)]),
        "Size": ("other", "By", {"kind": "book"}, [(9, 1)]),
        "ColdStart": ("shop", "{count}", {"function_name": "shop", **service}, [(1, 1)]),
    }
    # Each line is also a log record with a digest, so that the platform's copy is not sent.
    assert len(written.lines) == len(written.emf) == 3
    assert not written.missed


def test_aws_embedded_metrics() -> None:
    written = run(EMBEDDED_METRICS)
    ((namespace, unit, attributes, values),) = told(written).values()
    assert (namespace, unit, attributes["kind"]) == ("shop", "s", "book")
    assert values == [(0, 1), (1, 1), (2, 1)]
    assert (len(written.lines), written.missed) == (1, [])


PRINTED = """
    import json, logging, sys
    LINE = json.dumps({"_aws": {"CloudWatchMetrics": [{"Namespace": "shop", "Dimensions": [[]],
                       "Metrics": [{"Name": "n"}]}]}, "n": 1, "text": "über"}, ensure_ascii=False)
    plain = logging.getLogger("plain")
    plain.propagate = False
    plain.addHandler(logging.StreamHandler(sys.stdout))

    def handler(event, context):
        print(LINE)
        sys.stdout.write(LINE + "\\n" + LINE + "\\n")
        sys.stderr.write(LINE[:20])
        sys.stderr.write(LINE[20:] + "\\n")
        plain.error(LINE)
        print("mentions", '"_aws"')
        print({"_aws": 5})
        logging.getLogger().error(LINE)
"""


@pytest.mark.parametrize("environ", [{}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}])
@pytest.mark.parametrize("framed", [False, True])
def test_a_line_counts_however_it_is_written(environ: dict[str, Any], framed: bool) -> None:
    written = run(PRINTED, framed=framed, **environ)
    # Lines that the runtime client's formatters prefix with a time, or wrap in JSON of their own,
    # are no metrics, nor are they to CloudWatch.
    assert len(written.emf) == 5
    assert {values for _, _, _, ((values, _),) in told(written).values()} == {1}
    assert len(written.lines) == 8
    assert not written.missed


@pytest.mark.parametrize("environ", [{"SERVERLESS_INSTRUMENT_LOGS_EXCLUDE": "_aws"}, {}])
def test_an_excluded_line_is_still_a_metric(environ: dict[str, Any]) -> None:
    written = run(PRINTED, **environ)
    assert len(written.emf) == 5
    assert len(written.lines) == (0 if environ else 8)


def test_output_is_what_it_was() -> None:
    ours, bare = run(PRINTED), run(PRINTED, instrumented=False)
    assert ours.stdout.splitlines()[:6] == bare.stdout.splitlines()[:6]
    assert ours.stderr == bare.stderr
