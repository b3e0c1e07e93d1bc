"""Functions that emit metrics already, in the local Lambda: each value arrives, and once."""

from __future__ import annotations

from collections import defaultdict
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from tests.forwarder.process.test_statsd import free_port
from tests.local.command_line import run_json

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

INVOCATIONS = 4
APP = """
    import json, os, subprocess
    from aws_lambda_powertools import Metrics
    from aws_lambda_powertools.metrics import MetricUnit
    from datadog.dogstatsd.base import DogStatsd

    statsd = DogStatsd(host="127.0.0.1", port=int(os.environ["STATSD_PORT"]),
                       disable_telemetry=True, disable_buffering=True)
    metrics = Metrics(namespace="shop", service="orders")
    LINE = json.dumps({"_aws": {"CloudWatchMetrics": [
        {"Namespace": "child", "Dimensions": [[]], "Metrics": [{"Name": "FromChild"}]}
    ]}, "FromChild": 1})

    @metrics.log_metrics
    def handler(event, context):
        metrics.add_metric(name="Booked", unit=MetricUnit.Count, value=2)
        print(LINE.replace("_aws", "_AWS"))
        print('{"_aws": "malformed"}')
        statsd.increment("orders", 2, tags=["kind:book"])
        statsd.histogram("took", 7)
        # What never passes through Python.
        subprocess.run(["echo", LINE], check=True)
        os.write(1, (LINE + "\\n").encode())
"""


def outcome(directory: Path, **environ: str) -> dict[str, Any]:
    (directory / "app.py").write_text(dedent(APP))
    port = str(free_port())
    environ = {"STATSD_PORT": port, "SERVERLESS_INSTRUMENT_STATSD": port, **environ}
    settings = [part for pair in environ.items() for part in ("--env", "=".join(pair))]
    return run_json(
        "app.handler", "--directory", str(directory), "--invocations", str(INVOCATIONS), *settings
    )


def totals(document: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """(sum, count) by name, over flushes."""
    found: defaultdict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for metric in document["metrics"]:
        for point in metric["dataPoints"]:
            total, count = found[metric["name"]]
            value = float(point.get("sum", point.get("asInt", 0)))
            found[metric["name"]] = (total + value, count + float(point.get("count", 1)))
    return found


def test_every_value_arrives_once(tmp_path: Path) -> None:
    document = outcome(tmp_path)
    found = totals(document)
    assert {name: found[name] for name in ("Booked", "FromChild", "took")} == {
        "Booked": (2 * INVOCATIONS, INVOCATIONS),
        "FromChild": (2 * INVOCATIONS, 2 * INVOCATIONS),
        "took": (7 * INVOCATIONS, INVOCATIONS),
    }
    assert found["orders"][0] == 2 * INVOCATIONS
    bodies = [record["body"] for record in document["logRecords"]]
    # The lines are log records as before, each one once.
    assert len([body for body in bodies if "_aws" in str(body)]) == 4 * INVOCATIONS
    booked = next(metric for metric in document["metrics"] if metric["name"] == "Booked")
    assert (booked["unit"], booked["scope"]["name"]) == ("{count}", "shop")
    assert booked["dataPoints"][0]["attributes"] == {"service": "orders"}
    assert booked["resource"]["faas.name"]
    own = [line for line in document["logs"] if "serverless-instrument" in str(line)]
    assert len([line for line in own if "_aws is no object" in str(line)]) == 1


@pytest.mark.parametrize("emf", ["true", "false", ""])
def test_without_logs_lines_are_read_only_if_that_is_asked_for(tmp_path: Path, emf: str) -> None:
    document = outcome(tmp_path, SERVERLESS_INSTRUMENT_LOGS="off", SERVERLESS_INSTRUMENT_EMF=emf)
    found = totals(document)
    expected = 2 * INVOCATIONS if emf == "true" else 0
    assert (found["Booked"][0], found["FromChild"][0]) == (expected, expected)
    assert found["orders"][0] == 2 * INVOCATIONS
    assert document["logRecords"] == []
