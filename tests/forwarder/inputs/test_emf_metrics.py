"""Lines of the embedded metric format: of the runtime's frames, and of the platform's posts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery import delivery_counts
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.inputs.emf_metrics import EmfMetrics
from serverless_instrument.forwarder.intake import Session
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
from serverless_instrument.forwarder.telemetry_api.platform_events import Event
from tests.forwarder import encoded, intakes, measured
from tests.forwarder.inputs.test_emf import NOW_MS, NOW_NS, line

if TYPE_CHECKING:
    from collections.abc import Sequence

EMF = "SERVERLESS_INSTRUMENT_EMF"
LINE = line([{"Name": "time", "Unit": "Milliseconds"}], [["shop"]], time=[1, 2], shop="a")
MASK = "SERVERLESS_INSTRUMENT_MASK"
LOGS = "SERVERLESS_INSTRUMENT_LOGS"


class Forwarding:
    """The forwarder's logs and metrics, one runtime connected."""

    def __init__(self, *, logs: bool = True, **environ: str) -> None:
        self.batch = Batch()
        self.counts = delivery_counts.DeliveryCounts()
        self.said: list[str] = []
        report = lambda subject, text: self.said.append(f"{subject}: {text}")  # noqa: E731 - a line
        self.settings = LogSettings(environ, has_destination=logs, takes_metrics=True)
        emf = EmfMetrics(self.batch, self.counts, report).add_line if self.settings.emf else None
        self._logs = LogIntake(self.settings, {}, self.batch, report, emf)
        self._intake, self._session = intakes.intake(self.batch, self._logs), Session()
        self.feed(encoded.hello())

    def feed(self, *frames: bytes) -> None:
        assert self._intake.read_frames(self._session, b"".join(frames))[1] == ""

    def line(self, record: str | dict[str, object], kind: str = "function") -> None:
        self._logs.add_line(Event(kind, NOW_NS, record), 0.0)

    def take(self) -> tuple[list[measured.Series], int]:
        """(data points, number of log records) of everything, held lines too."""
        self._logs.send_held_lines(NOW_NS, last=True)
        bodies: dict[str, list[bytes]] = {"metrics": [], "logs": []}
        for export in self.batch.take_exports():
            bodies[export.signal].append(export.body)
        records = [
            record
            for body in bodies["logs"]
            for of_resource in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in of_resource.scope_logs
            for record in scope.log_records
        ]
        return measured.of_requests(bodies["metrics"]), len(records)

    def sums(self) -> dict[str, float]:
        return {series.metric.name: series.point.sum for series in self.take()[0]}

    def dropped(self) -> dict[str, float]:
        return {reason: number for (_, _, reason), number in self.counts.take_unreported().items()}


def text_frame(line: str, time_unix_ns: int, bits: int = wire.ANNOUNCES) -> bytes:
    return wire.text_frame(wire.TEXT, time_unix_ns, ("", b"", b"", 0), bits, line.encode())


def test_a_frame_becomes_a_histogram_of_deltas() -> None:
    forwarding = Forwarding()
    forwarding.feed(text_frame(LINE, NOW_NS), text_frame(LINE, NOW_NS))
    ((series,), records) = forwarding.take()
    assert records == 2
    assert (series.metric.name, series.metric.unit, series.scope) == ("time", "ms", "shop")
    assert (series.kind, series.attributes, series.service) == (
        "histogram",
        {"shop": "a"},
        "checkout",
    )
    assert series.metric.histogram.aggregation_temporality == 1
    point = series.point
    assert (point.count, point.sum, point.min, point.max) == (4, 6, 1, 2)
    assert (sum(point.bucket_counts), point.time_unix_nano) == (4, NOW_MS * 1_000_000)


def test_histograms_may_be_exponential() -> None:
    batch = Batch()
    metrics = EmfMetrics(
        batch, delivery_counts.DeliveryCounts(), lambda _, __: None, exponential=True
    )
    value = {"Values": [0, 2], "Counts": [3, 4], "Sum": 8.5, "Min": 0, "Max": 2.1, "Count": 7}
    for _ in range(2):
        metrics.add_line(line(time=value), encoded.resource(), NOW_NS)
    (series,) = measured.of_batch(batch)
    point = series.point
    assert (series.kind, point.count, point.sum, point.zero_count) == (
        "exponential_histogram",
        14,
        17,
        6,
    )
    assert (point.min, point.max, list(point.positive.bucket_counts)) == (0, 2.1, [8])


def test_statistics_of_the_line_are_the_points() -> None:
    forwarding = Forwarding()
    value = {"Values": [1, 2], "Counts": [3, 4], "Sum": 11.5, "Min": 0.9, "Max": 2.1, "Count": 7}
    forwarding.feed(text_frame(line(time=value), NOW_NS))
    point = forwarding.take()[0][0].point
    assert (point.count, point.sum, point.min, point.max) == (7, 11.5, 0.9, 2.1)


@pytest.mark.parametrize("record", [LINE, LINE + "\n", json.loads(LINE)])
def test_a_line_of_the_platform_is_a_metric_and_a_log_record(record: Any) -> None:
    forwarding = Forwarding()
    forwarding.line(record)
    (series,), records = forwarding.take()
    assert (series.metric.name, series.point.sum, records) == ("time", 3, 1)


def test_the_platforms_copy_of_what_the_runtime_has_sent_is_not_counted_again() -> None:
    forwarding = Forwarding()
    sent = text_frame(LINE, NOW_NS)
    forwarding.feed(sent)
    forwarding.line(LINE)
    forwarding.line(LINE)
    forwarding.feed(sent)
    ((series,), records) = forwarding.take()
    assert (series.point.count, records) == (4, 2)


def test_what_other_extensions_write_is_none_of_the_functions() -> None:
    forwarding = Forwarding(SERVERLESS_INSTRUMENT_EXTENSION_LOGS="true")
    forwarding.line(LINE, "extension")
    assert forwarding.take()[1] == 1
    assert forwarding.sums() == {}


def test_a_line_that_only_mentions_it_is_a_log_record_and_no_defect() -> None:
    forwarding = Forwarding()
    for text in ('the key "_aws" is missing', 'x {"_aws": {}}', '{"a": {"_aws": 1}}', '{"a": 1}'):
        forwarding.line(text)
    assert forwarding.take() == ([], 4)
    assert (forwarding.dropped(), forwarding.said) == ({}, [])


def test_lines_that_do_not_leave_have_metrics_that_do() -> None:
    forwarding = Forwarding(SERVERLESS_INSTRUMENT_LOGS_EXCLUDE='"_aws"')
    forwarding.line(LINE)
    ((series,), records) = forwarding.take()
    assert (series.point.sum, records) == (3, 0)


def test_what_is_hidden_in_lines_is_hidden_in_metrics() -> None:
    forwarding = Forwarding(SERVERLESS_INSTRUMENT_MASK="secret-[0-9]+")
    text = line(None, [["card"]], time=1, card="secret-12")
    forwarding.feed(text_frame(text, NOW_NS, 0))
    forwarding.line(text)
    ((series,), _) = forwarding.take()
    assert (series.attributes, series.point.count) == ({"card": "***"}, 2)


@pytest.mark.parametrize(
    ("logs", "environ", "types", "taken"),
    [
        (True, {}, ("platform", "function"), True),
        (True, {EMF: "false"}, ("platform", "function"), False),
        (True, {LOGS: "off"}, ("platform",), False),
        (True, {LOGS: "off", EMF: "true"}, ("platform", "function"), True),
        (False, {}, ("platform",), False),
        (False, {EMF: "true"}, ("platform", "function"), True),
    ],
)
def test_where_lines_do_not_leave_it_has_to_be_asked_for(
    logs: bool, environ: dict[str, str], types: Sequence[str], taken: bool
) -> None:
    forwarding = Forwarding(logs=logs, **environ)
    assert forwarding.settings.types == types
    forwarding.line(LINE)
    found, records = forwarding.take()
    assert bool(found) == taken
    assert records == (1 if logs and LOGS not in environ else 0)


def test_nobody_looks_where_metrics_go_nowhere() -> None:
    assert not LogSettings({EMF: "true"}, has_destination=True).emf
    settings = LogSettings({EMF: "perhaps"}, has_destination=True, takes_metrics=True)
    assert settings.emf
    assert settings.warnings == [
        f'{EMF}="perhaps" is neither true nor false, using the default: set it to one of them'
    ]


def test_what_is_malformed_is_counted_and_the_first_told() -> None:
    forwarding = Forwarding()
    forwarding.feed(text_frame('{"_aws": 5}', NOW_NS), text_frame('{"_aws"', NOW_NS))
    forwarding.feed(text_frame(line(None, [["\x1b"]], time="x"), NOW_NS))
    forwarding.take()
    assert forwarding.dropped() == {delivery_counts.MALFORMED_EMF: 4}
    assert forwarding.said[0] == (
        "embedded metrics: an embedded metric is left out, as CloudWatch would leave it out: "
        "_aws is no object"
    )
    assert "\x1b" not in "".join(forwarding.said)


def test_a_line_longer_than_cloudwatch_takes_is_no_metric() -> None:
    forwarding = Forwarding()
    forwarding.feed(text_frame(line(time=1, text="x" * 1024 * 1024), NOW_NS))
    assert (forwarding.sums(), forwarding.dropped()) == ({}, {})


def test_namespaces_are_bounded() -> None:
    forwarding = Forwarding()
    for number in range(120):
        forwarding.feed(text_frame(line(time=1).replace("shop", f"s{number}"), NOW_NS))
    assert len(forwarding.take()[0]) == 100
    assert forwarding.dropped() == {delivery_counts.NO_ROOM: 20}


def test_a_short_frame_ends_the_connection() -> None:
    intake, session = intakes.intake(Batch()), Session()
    defect = intake.read_frames(session, encoded.hello() + wire.frame(wire.TEXT, b"1234567"))[1]
    assert defect == "text frame is too short"
