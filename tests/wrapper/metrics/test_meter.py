"""OpenTelemetry's metrics API on our own measurements, compared with the SDK value by value."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from serverless_instrument import wire, wire_payloads
from serverless_instrument.histogram_bounds import DEFAULT
from serverless_instrument.wrapper.metrics.meter import Provider
from serverless_instrument.wrapper.metrics.metric_reader import temporality
from serverless_instrument.wrapper.metrics.metrics_bridge import _CUMULATIVE
from tests.wrapper import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry import metrics

    # (instrument's name, value, value of the attribute)
    Step = tuple[str, float, object]

SYNCHRONOUS = ("counter", "up_down_counter", "histogram", "gauge")
# Their sums are exact in every order.
VALUES = st.one_of(
    st.integers(-(1 << 50), 1 << 50).map(lambda number: number / 8), st.integers(-5, 5000)
)
ATTRIBUTES = st.one_of(
    st.none(), st.sampled_from(["a", "b", 1, 0, True, False, 1.0, 2.5, ("x", "y"), ""])
)
STEPS = st.lists(st.tuples(st.sampled_from(SYNCHRONOUS), VALUES, ATTRIBUTES), max_size=25)


class Ours:
    """Our provider, with its warnings and the frames that it has sent."""

    def __init__(self, preference: str = "delta", exemplars: str = "always_off") -> None:
        self.said: list[str] = []
        self.sent: list[bytes] = []
        cumulative = _CUMULATIVE[preference]
        self.provider = Provider(cumulative, exemplars, self.sent.append, self.said.append)
        self.now_ns = 2_000_000_000_000_000_000

    def collect(self) -> list[Metric]:
        self.now_ns += 1
        return read(self.provider.take_metric_frames(self.now_ns))


def read(data: bytes) -> list[Metric]:
    found: list[Metric] = []
    for kind, payload in decoded.frames(data):
        assert kind == wire.METRICS
        scope, items, count = wire_payloads.unpack_batch(payload)
        told = ScopeMetrics.FromString(scope + items).metrics
        assert len(told) == count
        found.extend(told)
    return found


class Sdk:
    """The SDK's provider, with the temporality of our reader for it."""

    def __init__(self, preference: str = "delta") -> None:
        self._reader = InMemoryMetricReader(temporality(preference))
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def collect(self) -> list[Metric]:
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        (resource,) = encode_metrics(data).resource_metrics
        return [metric for scope in resource.scope_metrics for metric in scope.metrics]


def instruments(provider: metrics.MeterProvider) -> dict[str, Any]:
    meter = provider.get_meter("shop", "1")
    return {name: getattr(meter, f"create_{name}")(name, "ms", f"a {name}") for name in SYNCHRONOUS}


def record(instrument: Any, value: float, attribute: object) -> None:
    attributes = None if attribute is None else {"key": attribute, "always": "there"}
    for verb in ("add", "record", "set"):
        if hasattr(instrument, verb):
            getattr(instrument, verb)(value, attributes)
            return
    raise AssertionError(instrument)


def points(found: Sequence[Metric]) -> dict[tuple[object, ...], list[Any]]:
    """Points by metric and attributes, without times and exemplars."""
    sorted_out: defaultdict[tuple[object, ...], list[Any]] = defaultdict(list)
    for metric in found:
        data = getattr(metric, str(metric.WhichOneof("data")))
        how = (
            getattr(data, "aggregation_temporality", 0),
            getattr(data, "is_monotonic", None),
            metric.description,
            metric.unit,
        )
        for point in data.data_points:
            for name in ("start_time_unix_nano", "time_unix_nano", "exemplars"):
                point.ClearField(name)
            key = sorted(pair.SerializeToString() for pair in point.attributes)
            point.ClearField("attributes")
            sorted_out[(metric.name, *how, *key)].append(point)
    return dict(sorted_out)


@given(st.lists(STEPS, min_size=1, max_size=4), st.sampled_from(sorted(_CUMULATIVE)))
def test_points_as_the_sdk_makes_them(rounds: list[list[Step]], preference: str) -> None:
    ours, sdk = Ours(preference), Sdk(preference)
    mine, theirs = instruments(ours.provider), instruments(sdk.provider)
    seen: dict[tuple[object, ...], list[Any]] = {}
    reference: dict[tuple[object, ...], list[Any]] = {}
    for steps in rounds:
        for name, value, attribute in steps:
            if name in ("counter", "histogram"):
                value = abs(value)  # noqa: PLW2901 - the API has no negative ones for these
            record(mine[name], value, attribute)
            record(theirs[name], value, attribute)
        found, told = points(ours.collect()), points(sdk.collect())
        seen.update(found)
        reference.update(told)
        # The SDK also reports totals that have not changed.
        assert found.keys() <= told.keys()
        assert {key: told[key] for key in found} == found
    assert seen == reference
    assert ours.said == []


@given(st.lists(st.lists(st.integers(0, 1 << 40), max_size=3), min_size=1, max_size=4))
@pytest.mark.parametrize("preference", sorted(_CUMULATIVE))
@pytest.mark.parametrize("kind", ["counter", "up_down_counter", "gauge"])
def test_observed_values_as_the_sdk_makes_them(
    kind: str, preference: str, rounds: list[list[int]]
) -> None:
    ours, sdk = Ours(preference), Sdk(preference)
    told: list[int] = []

    def observe(_: object) -> Iterator[Observation]:
        for place, value in enumerate(told):
            yield Observation(value, {"place": place})

    for provider in (ours.provider, sdk.provider):
        create = getattr(provider.get_meter("shop"), f"create_observable_{kind}")
        create("seen", [observe], "By", "what is seen")
    for told in rounds:  # noqa: B007 - the callback reads it
        assert points(ours.collect()) == points(sdk.collect())


def test_nothing_recorded_is_no_frame() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    assert ours.provider.take_metric_frames(1) == b""
    mine["counter"].add(1)
    assert ours.provider.take_metric_frames(2)
    assert ours.provider.take_metric_frames(3) == b""


def test_intervals_follow_each_other() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    times = []
    for _ in range(3):
        mine["counter"].add(1)
        mine["up_down_counter"].add(1)
        up_down: Any
        counter, up_down = (metric.sum.data_points[0] for metric in ours.collect())
        times.append((counter.start_time_unix_nano, counter.time_unix_nano))
        totals = up_down.start_time_unix_nano, up_down.as_int
    assert [start for start, _ in times[1:]] == [end for _, end in times[:-1]]
    assert times[0][0] < times[0][1]
    assert totals == (times[0][0], 3)


def context(number: int, flags: int = 1) -> NonRecordingSpan:
    return NonRecordingSpan(
        SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(flags))
    )


@pytest.mark.parametrize(
    ("chosen", "spans"),
    [("trace_based", [2, 2]), ("always_on", [0, 0, 2, 2, 3]), ("always_off", [])],
)
def test_exemplars_are_the_latest_of_each_bucket(chosen: str, spans: list[int]) -> None:
    ours = Ours(exemplars=chosen)
    mine = instruments(ours.provider)
    with use_span(context(1)):
        mine["histogram"].record(7)
    with use_span(context(2)):
        mine["histogram"].record(8)
        mine["counter"].add(1)
    with use_span(context(3, flags=0)):
        mine["histogram"].record(80)
    mine["gauge"].set(3)
    mine["histogram"].record(3000)
    found: list[int] = []
    for metric in ours.collect():
        (point,) = getattr(metric, str(metric.WhichOneof("data"))).data_points
        for exemplar in point.exemplars:
            found.append(int.from_bytes(exemplar.span_id, "big"))
            assert exemplar.trace_id[-8:] == exemplar.span_id
            assert exemplar.time_unix_nano
    assert sorted(found) == spans


def test_values_that_are_none_are_left_out_and_said_once() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    hostile: tuple[Any, ...] = (float("nan"), float("inf"), None, "7", [], 10**400, object())
    for value in (*hostile, -1):
        mine["counter"].add(value)
    for value in hostile:
        mine["histogram"].record(value, {"a": "b"})
    mine["counter"].add(Decimal("2.5"))
    mine["counter"].add(True)
    (metric,) = ours.collect()
    (point,) = metric.sum.data_points
    assert point.as_double == 3.5
    assert all("that it cannot have" in line for line in ours.said)


@pytest.mark.parametrize(
    "attributes",
    [{"a": [1, 2]}, {"a": {"b": 1}}, {"a": None}, {"a": b"\xff"}, {"\ud800": 1}, {7: 8}],
)
def test_attributes_of_any_type(attributes: dict[str, object]) -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    for _ in range(2):
        mine["counter"].add(1, attributes)
        (metric,) = ours.collect()
        assert metric.sum.data_points[0].as_int == 1
        assert len(metric.sum.data_points[0].attributes) == 1


class Hostile:
    """Raises on every operation."""

    def __hash__(self) -> int:
        raise ValueError("no hash")

    def __repr__(self) -> str:
        raise ValueError("no text")

    __str__ = __float__ = __repr__


@pytest.mark.parametrize("attributes", ["text", 7, [1], {Hostile: 1}, Hostile()])
def test_what_is_no_attributes_is_left_out(attributes: Any) -> None:
    ours = Ours()
    instruments(ours.provider)["counter"].add(1, attributes)
    (metric,) = ours.collect()
    assert metric.sum.data_points[0].as_int == 1
    assert len(ours.said) <= 1


def test_a_hostile_value_is_counted_and_the_others_are_sent() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    mine["counter"].add(1, {"a": Hostile()})
    mine["counter"].add(Hostile())
    mine["counter"].add(2)
    dropped, metrics = decoded.frames(ours.provider.take_metric_frames(1))
    assert (dropped[0], wire_payloads.unpack_dropped(dropped[1])) == (
        wire.DROPPED,
        (1, wire.METRICS),
    )
    (metric,) = read(wire.frame(*metrics))
    assert [point.as_int for point in metric.sum.data_points] == [2]


def test_very_many_values_are_sent_before_they_are_too_many() -> None:
    ours = Ours()
    counter = instruments(ours.provider)["counter"]
    for _ in range(50_000):
        counter.add(1)
    assert len(ours.sent) == 2
    sums = [m.sum.data_points[0].as_int for data in ours.sent for m in read(data)]
    assert sums == [20_000, 20_000]
    assert [m.sum.data_points[0].as_int for m in ours.collect()] == [10_000]


def test_a_clock_that_steps_back_gives_no_interval_below_zero() -> None:
    ours = Ours()
    counter = instruments(ours.provider)["counter"]
    for now_ns in (2_000_000_000_000_000_000, 1_000_000_000_000_000_000):
        counter.add(1)
        (metric,) = read(ours.provider.take_metric_frames(now_ns))
        (point,) = metric.sum.data_points
        assert point.start_time_unix_nano <= point.time_unix_nano


def test_attributes_changed_after_recording_are_those_of_the_moment() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    attributes = {"step": "one"}
    mine["counter"].add(1, attributes)
    attributes["step"] = "two"
    mine["counter"].add(2, attributes)
    (metric,) = ours.collect()
    found = {p.attributes[0].value.string_value: p.as_int for p in metric.sum.data_points}
    assert found == {"one": 1, "two": 2}


@pytest.mark.parametrize("name", ["counter", "up_down_counter"])
def test_the_overflow_point_takes_what_is_over_the_limit(name: str) -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    for _ in range(2):
        for number in range(2500):
            mine[name].add(1, {"number": number})
        (metric,) = ours.collect()
        of_all = {
            p.attributes[0].key: p.as_int for p in metric.sum.data_points if len(p.attributes) == 1
        }
        assert len(metric.sum.data_points) == 2000
        assert of_all["otel.metric.overflow"] >= 501
    if name == "up_down_counter":
        assert of_all["otel.metric.overflow"] == 1002
        assert of_all["number"] == 2


def test_a_metric_of_many_points_takes_several_frames() -> None:
    ours = Ours()
    histogram = instruments(ours.provider)["histogram"]
    for number in range(1999):
        histogram.record(1, {"number": number, "text": "x" * 1500})
    frames = list(decoded.frames(ours.provider.take_metric_frames(1)))
    assert len(frames) > 1
    found = [m for kind, payload in frames for m in read(wire.frame(kind, payload))]
    assert sum(len(metric.histogram.data_points) for metric in found) == 1999


def test_threads_that_record_while_another_collects_lose_nothing() -> None:
    ours = Ours()
    counter = instruments(ours.provider)["counter"]
    done = threading.Event()
    totals: list[int] = []

    def record_many() -> None:
        for _ in range(4000):
            counter.add(1)

    def collect() -> None:
        while not done.is_set():
            totals.extend(m.sum.data_points[0].as_int for m in ours.collect())

    collectors = [threading.Thread(target=collect) for _ in range(2)]
    recorders = [threading.Thread(target=record_many) for _ in range(4)]
    for thread in (*collectors, *recorders):
        thread.start()
    for thread in recorders:
        thread.join()
    done.set()
    for thread in collectors:
        thread.join()
    totals.extend(m.sum.data_points[0].as_int for m in ours.collect())
    assert sum(totals) + ours.provider.measurements.dropped == 16_000


def test_a_fork_leaves_what_waits_to_the_parent() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    mine["up_down_counter"].add(5)
    ours.collect()
    mine["up_down_counter"].add(1)
    mine["counter"].add(1)
    ours.provider.after_fork()
    assert ours.collect() == []
    mine["up_down_counter"].add(2)
    (metric,) = ours.collect()
    assert metric.sum.data_points[0].as_int == 2


def test_the_same_scope_and_instrument_are_one() -> None:
    ours = Ours()
    meter = ours.provider.get_meter("shop", "1")
    assert ours.provider.get_meter("shop", "1") is meter
    assert ours.provider.get_meter("shop", "2") is not meter
    assert meter.create_counter("a.B", "s") is meter.create_counter("A.b", "s")
    assert meter.create_counter("a.B", "s") is not meter.create_counter("a.B", "ms")


def test_names_that_are_none() -> None:
    ours = Ours()
    meter = ours.provider.get_meter("shop")
    for name in ("", "1st", "ä", "x" * 300):
        meter.create_counter(name).add(1)
        meter.create_observable_gauge(name, [lambda _: []])
    assert ours.collect() == []
    assert len(ours.said) == 4


@pytest.mark.parametrize(
    ("advised", "used"),
    [([1, 2.5], [1, 2.5]), ([], []), ([2, 1], None), (["x"], None), ([1, 1], None)],
)
def test_advised_boundaries(advised: list[Any], used: list[float] | None) -> None:
    ours = Ours()
    meter = ours.provider.get_meter("shop")
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=advised)
    histogram.record(2)
    (metric,) = ours.collect()
    (point,) = metric.histogram.data_points
    assert tuple(point.explicit_bounds) == (DEFAULT if used is None else tuple(used))
    place = bisect_left(point.explicit_bounds, 2)
    assert [index for index, count in enumerate(point.bucket_counts) if count] == [place]
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert bool(ours.said) is (used is None)


def test_callbacks_that_fail_and_generators() -> None:
    ours = Ours()
    meter = ours.provider.get_meter("shop")

    def bad(_: object) -> list[Observation]:
        raise ValueError("no")

    def ones() -> Any:
        for number in (1, 2):
            yield [Observation(number)]

    generator = ones()
    meter.create_observable_gauge("g", [bad, generator])
    assert [m.gauge.data_points[0].as_int for _ in range(3) for m in ours.collect()] == [2]
    assert len(ours.said) == 1
    assert "ValueError: no" in ours.said[0]


def test_a_flush_of_the_functions_sends_at_once_and_a_shutdown_ends_it() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    mine["counter"].add(1)
    assert ours.provider.force_flush()
    mine["counter"].add(2)
    ours.provider.shutdown()
    mine["counter"].add(4)
    values = [m.sum.data_points[0].as_int for data in ours.sent for m in read(data)]
    assert values == [1, 2]
    assert ours.collect() == []
    ours.provider.get_meter("late").create_counter("late").add(1)
    assert len(ours.said) == 1


def test_a_point_that_no_frame_holds_is_counted() -> None:
    ours = Ours()
    mine = instruments(ours.provider)
    mine["counter"].add(1, {"key": "x" * wire.MAX_PAYLOAD_BYTES})
    ((kind, payload),) = decoded.frames(ours.provider.take_metric_frames(1))
    assert (kind, wire_payloads.unpack_dropped(payload)) == (wire.DROPPED, (1, wire.METRICS))


def test_a_callback_that_asks_for_a_flush_does_not_wait_for_itself() -> None:
    ours = Ours()
    meter = ours.provider.get_meter("shop")

    def observe(_: object) -> list[Observation]:
        ours.provider.force_flush()
        return [Observation(1)]

    meter.create_observable_gauge("g", [observe])
    assert [m.gauge.data_points[0].as_int for m in ours.collect()] == [1]
    assert ours.sent == []


def test_values_that_cannot_be_sent_are_counted() -> None:
    ours = Ours()
    counter = instruments(ours.provider)["counter"]

    def fail() -> None:
        raise OSError("nobody listens")

    ours.provider.measurements.on_full = fail
    for _ in range(20_003):
        counter.add(1)
    assert ours.provider.measurements.dropped == 3
