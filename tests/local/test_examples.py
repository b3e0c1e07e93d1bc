"""The examples do as they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serverless_instrument.local.view import metric_series
from tests.local.command_line import ROOT, serverless_instrument

pytestmark = pytest.mark.integration

EXAMPLES = ROOT / "examples"


def run(directory: str, handler: str, *more: str) -> dict[str, Any]:
    """The document of two invocations with the example's own event."""
    place = EXAMPLES / directory
    finished = serverless_instrument(
        *("run", handler, "--directory", str(place), "--event", str(place / "event.json")),
        *("--invocations", "2", "--json", *more),
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


@pytest.mark.parametrize("handler", ["app.handler", "with_api.handler"])
def test_metrics_are_the_same_either_way(handler: str) -> None:
    document = run("orders", handler)
    found = {
        (series.name, *series.attributes.values()): series
        for series in metric_series.collect_series(document["metrics"])
        if series.name.startswith("shop.")
    }
    assert {key: series.unit for key, series in found.items()} == {
        ("shop.items", "book"): "{item}",
        ("shop.items", "toy"): "{item}",
        ("shop.order.value",): "EUR",
        ("shop.queue.length",): "{order}",
    }
    assert found["shop.items", "book"].value() == 4
    assert found["shop.items", "toy"].value() == 2
    assert found["shop.queue.length",].value() == 4
    value = found["shop.order.value",].distribution()
    assert value is not None
    assert value.count == 2
    assert value.mean == value.most == pytest.approx(40.4)


def test_the_shop_answers_and_is_counted() -> None:
    document = run("shop", "app.handler")
    assert [invocation["status"] for invocation in document["invocations"]] == ["success"] * 2
    values = {
        series.name: series.value() for series in metric_series.collect_series(document["metrics"])
    }
    assert (values["faas.invocations"], values["faas.coldstarts"]) == (2, 1)


def test_run_shows_a_table_of_the_metrics() -> None:
    place = EXAMPLES / "orders"
    finished = serverless_instrument(
        *("run", "app.handler", "--directory", str(place), "--event", str(place / "event.json")),
        *("--invocations", "2"),
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    shown = [line.split() for line in finished.stdout.partition("\nmetric ")[2].splitlines()]
    for row in (
        ["function", "faas.trigger=other"],
        ["faas.invocations", "2"],
        ["faas.coldstarts", "1"],
        ["your", "own"],
        ["shop.items", "kind=book", "4"],
        ["shop.queue.length", "4"],
    ):
        assert row in shown
    (value,) = [row for row in shown if row[:1] == ["shop.order.value"]]
    assert value == ["shop.order.value", "2", *["40.4", "EUR"] * 4]
    assert not [row for row in shown if "forwarder" in "".join(row)]
