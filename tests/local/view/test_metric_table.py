"""The table of a run's metrics."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from serverless_instrument.local.view import metric_table

HTTP = {"faas.trigger": "http"}


def lines(*metrics: dict[str, Any], width: int = 120, **options: Any) -> list[str]:
    console = Console(width=width, highlight=False, **options)
    with console.capture() as capture:
        console.print(metric_table.make_table(metrics, width))
    return capture.get().splitlines()


def metric(
    name: str, kind: str, *points: dict[str, Any], unit: str = "", attributes: Any = HTTP
) -> dict[str, Any]:
    told = [{"attributes": attributes, **point} for point in points]
    delta = {} if kind == "gauge" else {"aggregationTemporality": 1}
    return {"name": name, "unit": unit or None, "type": kind, "dataPoints": told, **delta}


def histogram(name: str, *values: float, unit: str = "s", attributes: Any = HTTP) -> dict[str, Any]:
    """A point for each value, as of as many flushes."""
    told = [{"count": "1", "sum": value, "min": value, "max": value} for value in values]
    return metric(name, "histogram", *told, unit=unit, attributes=attributes)


RUN = (
    histogram("faas.invoke_duration", 0.01, 0.02, 2.0),
    metric("faas.invocations", "sum", {"asInt": "1"}, unit="{invocation}"),
    metric("faas.errors", "sum", {"asInt": "1"}, unit="{error}"),
    histogram("faas.mem_usage", 28311552, unit="By"),
    metric("faas.invocations", "sum", {"asInt": "1"}, unit="{invocation}"),
    histogram("aws.lambda.memory.utilization", 0.25, unit="1"),
    metric("shop.queue", "gauge", {"asDouble": 1.5}, attributes={}),
    metric("shop.queue", "gauge", {"asDouble": 0.5}, attributes={}),
    metric("shop.orders", "sum", {"asInt": "3"}, attributes={"kind": "toy"}),
    metric("shop.orders", "sum", {"asInt": "6"}, attributes={"kind": "book"}),
    metric("serverless_instrument.forwarder.frames.received", "sum", {"asInt": "9"}),
)


def test_groups_order_units_and_columns() -> None:
    assert [" ".join(line.split()) for line in lines(*RUN)] == [
        "metric value count mean p50 p95 max",
        "function faas.trigger=http",
        "faas.invocations 2",
        "faas.errors 1",
        "faas.invoke_duration 3 677 ms 20 ms 2 s 2 s",
        "faas.mem_usage 1 27 MB",
        "",
        "Lambda faas.trigger=http",
        "aws.lambda.memory.utilization 1 25 %",
        "",
        "your own",
        "shop.orders kind=book 6",
        "shop.orders kind=toy 3",
        "shop.queue 0.5",
    ]


def test_heading_says_what_most_have_and_none_has_otherwise() -> None:
    one = metric("aws.lambda.a", "sum", {"asInt": "1"})
    other = metric("aws.lambda.b", "sum", {"asInt": "1"})
    bare = metric("aws.lambda.c", "gauge", {"asInt": "1"}, attributes={"reason": "end"})
    assert [" ".join(line.split()) for line in lines(one, other, bare)[1:]] == [
        "Lambda faas.trigger=http",
        "aws.lambda.a 1",
        "aws.lambda.b 1",
        "aws.lambda.c reason=end 1",
    ]
    third = metric("aws.lambda.d", "sum", {"asInt": "1"}, attributes={"faas.trigger": "timer"})
    assert lines(one, other, bare, third)[1].split() == ["Lambda"]


def test_figures_are_below_their_headings() -> None:
    made = lines(*RUN)
    ends = {name: made[0].index(name) + len(name) for name in ("value", "mean", "max")}
    (invocations,) = [line for line in made if line.startswith("faas.invocations")]
    assert invocations.rstrip().endswith("2")
    assert len(invocations.rstrip()) == ends["value"]
    (duration,) = [line for line in made if line.startswith("faas.invoke_duration")]
    assert duration[: ends["mean"]].endswith("677 ms")
    assert len(duration.rstrip()) == ends["max"]


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 80, 100])
def test_it_fits_a_narrow_terminal(width: int) -> None:
    made = lines(*RUN, width=width)
    assert max(map(cell_len, made)) <= width
    assert len(made) == len(lines(*RUN))  # no row wraps
    assert "value" in made[0]
    (invocations,) = [line for line in made if line.startswith("faas.invoc")]
    assert invocations.rstrip().endswith("2")


def test_of_one_value_each_there_are_no_quantiles() -> None:
    made = lines(histogram("faas.init_duration", 0.25), histogram("faas.mem_usage", 1, unit="By"))
    assert made[0].split() == ["metric", "count", "mean"]


def test_quantiles_give_way_before_names_do() -> None:
    made = lines(*RUN, width=52)
    assert "aws.lambda.memory.utilization" in "\n".join(made)
    assert made[0].split() == ["metric", "value", "count", "mean"]


def test_errors_stand_out_where_there_are_colours() -> None:
    coloured = "\n".join(lines(*RUN, force_terminal=True, color_system="standard", no_color=False))
    assert "\x1b[31mfaas.errors" in coloured
    none = [metric("faas.errors", "sum", {"asInt": "0"})]
    assert "\x1b[31m" not in "\n".join(lines(*none, force_terminal=True, no_color=False))
    assert "\x1b[3" not in "\n".join(lines(*RUN, force_terminal=True, no_color=True))


def test_many_series_of_one_metric_are_cut() -> None:
    many = [
        metric("m", "sum", {"asInt": "1"}, attributes={"id": f"{number:04}"})
        for number in range(2000)
    ]
    made = lines(*many)
    assert len(made) == 2 + 10 + 1
    assert "1990 more" in made[-1]


def test_what_would_move_the_cursor_is_not_written() -> None:
    hostile = "a\x1b[2Jb\nc\r\x07"
    made = lines(
        metric(hostile, "sum", {"asInt": "1"}, unit=hostile, attributes={hostile: hostile})
    )
    assert len(made) == 3
    assert not [line for line in made if not line.isprintable()]


def test_a_histogram_of_nothing() -> None:
    assert lines(metric("h", "histogram", {}))[2].split() == ["h", "0"]


def test_nothing_but_the_forwarders_own() -> None:
    assert metric_table.make_table([RUN[-1]], 80).row_count == 0


@given(
    st.lists(
        st.builds(
            metric,
            st.text(max_size=40) | st.sampled_from(["faas.errors", "aws.lambda.x"]),
            st.sampled_from(["sum", "gauge"]),
            st.fixed_dictionaries({"asDouble": st.floats()}),
            unit=st.text(max_size=5),
            attributes=st.dictionaries(
                st.text(max_size=5), st.text(max_size=60) | st.floats() | st.none(), max_size=3
            ),
        ),
        max_size=6,
    ),
    st.integers(1, 200),
)
def test_any_metric_gives_a_table(metrics: list[dict[str, Any]], width: int) -> None:
    for line in lines(*metrics, width=width):
        assert line.isprintable()


NUMBERS = st.floats() | st.sampled_from(["NaN", "Infinity", "-Infinity"])
COUNTS = st.lists(st.integers(0, 3).map(str), max_size=4)
BUCKETS = st.fixed_dictionaries(
    {}, optional={"offset": st.integers(-(1 << 31), 1 << 31), "bucketCounts": COUNTS}
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(0, 9).map(str),
            "sum": NUMBERS,
            "min": NUMBERS,
            "max": NUMBERS,
            "bucketCounts": COUNTS,
            "explicitBounds": st.lists(NUMBERS, max_size=4),
            "scale": st.integers(-(1 << 31), 1 << 31),
            "zeroCount": st.integers(0, 3).map(str),
            "positive": BUCKETS,
            "negative": BUCKETS,
        },
    ),
    st.sampled_from(["histogram", "exponential_histogram", "summary"]),
)
def test_any_histogram_gives_a_row(point: dict[str, Any], kind: str) -> None:
    made = lines(metric("h", kind, point, unit="s"), metric("h", kind, point, point, unit="s"))
    assert made[2].startswith("h ")
