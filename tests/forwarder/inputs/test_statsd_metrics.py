"""What StatsD's metrics become, over datagrams and flushes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.inputs.statsd_metrics import StatsdMetrics
from tests.forwarder import encoded, measured

NOW_NS = 1_700_000_000_000_000_000
NS = 1_000_000_000


class Statsd:
    """Datagrams in, data points out."""

    def __init__(self, *, exponential: bool = False) -> None:
        self.batch = Batch()
        self.counts = delivery_counts.DeliveryCounts()
        self.said: list[str] = []
        report = lambda subject, text: self.said.append(f"{subject}: {text}")  # noqa: E731 - a line
        self._metrics = StatsdMetrics(self.batch, self.counts, report, exponential=exponential)

    def send(self, *datagrams: str) -> None:
        for datagram in datagrams:
            self._metrics.add_datagram(datagram.encode(), encoded.resource(), NOW_NS)

    def lose(self, count: int) -> None:
        self._metrics.count_overrun(count)

    def flush(self) -> list[measured.Series]:
        return measured.of_batch(self.batch)

    def values(self) -> dict[str, Any]:
        """Numbers by name, of a histogram its count and sum, since the last flush."""
        found = {}
        for series in self.flush():
            key = " ".join([series.metric.name, *sorted(map(":".join, series.attributes.items()))])
            if series.kind == "histogram":
                found[key] = (series.point.count, series.point.sum)
            else:
                found[key] = series.point.as_double or series.point.as_int
        return found

    def dropped(self) -> dict[str, float]:
        return {reason: number for (_, _, reason), number in self.counts.take_unreported().items()}


def test_kinds_units_and_scope() -> None:
    world = Statsd()
    world.send(
        "orders:3|c|#shop:a", "level:0.5|g", "time:320|ms\nsize:7|h\nweight:2|d", "users:x|s"
    )
    found = {series.metric.name: series for series in world.flush()}
    kinds = {name: (series.kind, series.metric.unit) for name, series in found.items()}
    assert kinds == {
        "orders": ("sum", ""),
        "level": ("gauge", ""),
        "time": ("histogram", "ms"),
        "size": ("histogram", ""),
        "weight": ("histogram", ""),
        "users": ("gauge", ""),
    }
    assert {series.scope for series in found.values()} == {"serverless_instrument.statsd"}
    assert {series.service for series in found.values()} == {"checkout"}
    orders = found["orders"]
    assert (orders.metric.sum.aggregation_temporality, orders.metric.sum.is_monotonic) == (1, True)
    assert (orders.point.as_int, orders.attributes) == (3, {"shop": "a"})
    assert orders.point.time_unix_nano == orders.point.start_time_unix_nano == NOW_NS
    time = found["time"].point
    assert (time.count, time.sum, time.min, time.max) == (1, 320, 320, 320)
    assert dict(zip(time.explicit_bounds, time.bucket_counts, strict=False))[500] == 1
    assert found["time"].metric.histogram.aggregation_temporality == 1
    assert found["level"].point.as_double == 0.5
    assert found["users"].point.as_int == 1
    assert world.dropped() == {}


def test_what_several_datagrams_say_is_one_point() -> None:
    world = Statsd()
    world.send(*["orders:1|c"] * 5, "orders:2|c|@0.1", "orders:0.5|c", *["time:7|ms"] * 3)
    world.send("a:1|c|#x:1,y:2", "a:1|c|#y:2,x:1")
    assert world.values() == {"orders": 25.5, "time": (3, 21), "a x:1 y:2": 2}
    assert world.values() == {}


def test_a_pack_has_several_values() -> None:
    world = Statsd()
    world.send("orders:1:2:3|c", "time:1:2:3|d|@0.5", "level:4:5|g")
    assert world.values() == {"orders": 6, "time": (6, 12), "level": 5}


def test_histograms_may_be_exponential() -> None:
    world = Statsd(exponential=True)
    world.send("time:10|ms|@0.5", "time:-10:0|ms", "size:3|h")
    found = {series.metric.name: series for series in world.flush()}
    assert {series.kind for series in found.values()} == {"exponential_histogram"}
    point = found["time"].point
    assert (point.count, point.sum, point.min, point.max) == (4, 10, -10, 10)
    assert (point.zero_count, sum(point.positive.bucket_counts)) == (1, 2)
    assert sum(point.negative.bucket_counts) == 1


def test_a_sampled_histogram_counts_what_was_not_sent() -> None:
    world = Statsd()
    world.send(*["time:10|ms|@0.3"] * 300)
    count, total = world.values()["time"]
    assert count == pytest.approx(1000, abs=1)
    assert total == count * 10


@given(st.lists(st.sampled_from([1.0, 0.5, 0.3, 0.1, 0.7, 0.001]), min_size=1, max_size=60))
def test_sampled_counts_are_off_by_less_than_one(rates: list[float]) -> None:
    world = Statsd()
    world.send(*[f"time:1|ms|@{rate}" for rate in rates])
    assert abs(world.values()["time"][0] - sum(1 / rate for rate in rates)) < 1.001


def test_a_counter_that_was_decreased_is_not_monotonic_from_then_on() -> None:
    world = Statsd()
    world.send("jobs:2|c", "jobs:-1|c", "orders:1|c")
    world.flush()
    world.send("jobs:2|c", "jobs:-3|c", "orders:1|c")
    found = {series.metric.name: series for series in world.flush()}
    assert (found["jobs"].point.as_int, found["jobs"].metric.sum.is_monotonic) == (-1, False)
    assert (found["orders"].point.as_int, found["orders"].metric.sum.is_monotonic) == (1, True)


def test_changes_of_a_gauge_apply_to_its_last_value_over_flushes() -> None:
    world = Statsd()
    world.send("level:10|g", "level:+4|g", "level:-3|g", "other:-2|g", "level:1|g|#a:b")
    assert world.values() == {"level": 11, "other": -2, "level a:b": 1}
    world.send("level:+1|g", "level:-5|g|#a:b")
    assert world.values() == {"level": 12, "level a:b": -5}


def test_a_gauge_cannot_be_changed_to_what_is_no_value() -> None:
    world = Statsd()
    world.send("level:1e108|g", *["level:+2e108|g"] * 2)
    assert world.values() == {"level": 1e108}
    assert world.dropped() == {delivery_counts.NO_ROOM: 2}


def test_a_set_counts_different_members_between_two_flushes() -> None:
    world = Statsd()
    world.send("users:a|s", "users:b|s", "users:a|s", "users:c|s|#k:v")
    assert world.values() == {"users": 2, "users k:v": 1}
    world.send("users:a|s")
    assert world.values() == {"users": 1}


def test_a_time_is_the_points() -> None:
    world = Statsd()
    world.send(f"orders:1|c|T{NOW_NS // NS - 60}", f"level:1|g|T{NOW_NS // NS - 50}")
    found = {series.metric.name: series.point.time_unix_nano for series in world.flush()}
    assert found == {"orders": NOW_NS - 60 * NS, "level": NOW_NS - 50 * NS}
    world.send(f"orders:1|c|T{NOW_NS // NS + 86_400}", "orders:1|c|T99999999999")
    assert world.values() == {}
    assert world.dropped() == {delivery_counts.MALFORMED_STATSD: 2}


def test_what_is_malformed_or_no_metric_is_counted_and_the_first_told() -> None:
    world = Statsd()
    world.send("nonsense", "a:1|c\nx:y|c\n\x1b[31m|c", "_e{5,4}:title|text\n_sc|name|0")
    world.lose(3)
    assert world.values() == {"a": 1}
    assert world.dropped() == {
        delivery_counts.MALFORMED_STATSD: 3,
        delivery_counts.STATSD_EVENT: 2,
        delivery_counts.STATSD_OVERRUN: 3,
    }
    assert world.said[0] == (
        "StatsD lines: a StatsD line cannot be used: 'nonsense'; it should be name:value|type, "
        "with a type of c, g, ms, h, d or s"
    )
    assert "\x1b" not in world.said[-1]


def test_what_is_kept_between_flushes_is_bounded() -> None:
    world = Statsd()
    world.send(*[f"g{number}:+1|g" for number in range(2100)])
    world.send(*[f"u:{number}|s" for number in range(50_100)])
    world.send(*[f"j{number}:-1|c" for number in range(2100)])
    dropped = world.dropped()
    assert dropped[delivery_counts.NO_ROOM] >= 100 + 1
    # A gauge that is not remembered can still be set, and read again.
    world.flush()
    world.send("g2099:5|g", "g0:+1|g")
    assert world.values() == {"g2099": 5, "g0": 2}


KINDS, RATES = st.sampled_from("cghds"), st.floats(0, 1)
LINES = st.builds("a:{}|{}|@{}|#k:{}".format, st.floats(), KINDS, RATES, st.text(max_size=3))


@given(st.lists(st.text("ab:1|c@#gsmhdT,.\n-+e9", max_size=60) | LINES, max_size=20))
def test_nothing_raises_and_all_of_it_can_be_sent(datagrams: list[str]) -> None:
    world = Statsd()
    world.send(*[datagram.encode("utf-8", "replace").decode() for datagram in datagrams])
    assert len(world.flush()) <= sum(map(len, datagrams))
