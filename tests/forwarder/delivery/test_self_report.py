"""Counts, what is new in them, the line on losses, and both as OTLP metrics."""

from __future__ import annotations

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_DELTA,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
)

from serverless_instrument import __version__
from serverless_instrument.forwarder.delivery import delivery_counts, self_report
from serverless_instrument.forwarder.delivery.delivery_counts import DeliveryCounts


def counted() -> DeliveryCounts:
    counts = DeliveryCounts()
    counts.add_count(delivery_counts.RECEIVED, 5, "traces")
    counts.add_count(delivery_counts.RECEIVED, 2, "logs")
    counts.add_count(delivery_counts.RECEIVED, 1, "traces")
    counts.add_count(delivery_counts.FRAMES, 9)
    counts.add_count(delivery_counts.FLUSH_S, 0.25)
    counts.add_count(delivery_counts.DROPPED, 3, "logs", delivery_counts.NO_ROOM)
    counts.add_count(delivery_counts.DROPPED, 4, "traces", delivery_counts.REFUSED)
    counts.add_count(delivery_counts.SENT, 0, "traces")
    return counts


def parsed(counts: DeliveryCounts) -> dict[str, Metric]:
    encoded = self_report.scope() + self_report.encode_metrics(
        counts.take_unreported(), 77, 1000, 2000
    )
    message = ScopeMetrics.FromString(encoded)
    assert message.scope.name == "serverless_instrument.forwarder"
    assert message.scope.version == __version__
    return {
        metric.name.removeprefix(message.scope.name + "."): metric for metric in message.metrics
    }


def attributes(point: NumberDataPoint) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in point.attributes}


def test_sums_are_delta_and_monotonic() -> None:
    metrics = parsed(counted())
    for name in ("items.received", "items.dropped", "frames.received", "flush.time"):
        total = metrics[name].sum
        assert total.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
        assert total.is_monotonic
        for point in total.data_points:
            assert (point.start_time_unix_nano, point.time_unix_nano) == (1000, 2000)
    assert "items.sent" not in metrics


def test_points_by_signal_and_reason() -> None:
    metrics = parsed(counted())
    received = [(attributes(p), p.as_int) for p in metrics["items.received"].sum.data_points]
    assert received == [({"signal": "logs"}, 2), ({"signal": "traces"}, 6)]
    dropped = [(attributes(p), p.as_int) for p in metrics["items.dropped"].sum.data_points]
    assert dropped == [
        ({"signal": "logs", "reason": "no room"}, 3),
        ({"signal": "traces", "reason": "refused"}, 4),
    ]
    (time_point,) = metrics["flush.time"].sum.data_points
    assert (metrics["flush.time"].unit, time_point.as_double) == ("s", 0.25)
    (queue,) = metrics["queue.size"].gauge.data_points
    assert (metrics["queue.size"].unit, queue.as_int, queue.time_unix_nano) == ("By", 77, 2000)


def test_a_report_says_what_is_new() -> None:
    counts = counted()
    counts.take_unreported()
    assert counts.take_unreported() == {}
    counts.add_count(delivery_counts.FRAMES, 2)
    assert counts.take_unreported() == {(delivery_counts.FRAMES, "", ""): 2}


def test_losses_in_one_line_the_most_first() -> None:
    counts = counted()
    counts.take_unreported()
    assert counts.describe_losses() == (
        "7 items were not delivered: 4 traces (refused), 3 logs (no room)"
    )


def test_what_may_be_double_is_in_the_same_line_and_no_loss() -> None:
    counts = DeliveryCounts()
    counts.add_count(delivery_counts.UNANSWERED, 2, "logs")
    counts.add_count(delivery_counts.UNANSWERED, 3, "traces")
    doubtful = "5 items may arrive twice, nobody answered their requests: 3 traces, 2 logs"
    assert counts.describe_losses() == doubtful
    counts.add_count(delivery_counts.DROPPED, 1, "logs", delivery_counts.PLATFORM)
    lost = "1 items were not delivered: 1 logs (dropped by the platform)"
    assert counts.describe_losses() == f"{lost}; {doubtful}"


def test_no_losses_no_line() -> None:
    counts = DeliveryCounts()
    counts.add_count(delivery_counts.RECEIVED, 5, "traces")
    counts.add_count(delivery_counts.DROPPED, 0, "traces", delivery_counts.REFUSED)
    assert counts.describe_losses() == ""
