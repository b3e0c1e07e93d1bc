"""partial_success, as backends write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from serverless_instrument.forwarder.exporter.partial_success import read_partial_success

if TYPE_CHECKING:
    from google.protobuf.message import Message

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def answers(rejected: int, message: str) -> list[Message]:
    return [
        ExportTraceServiceResponse(
            partial_success=ExportTracePartialSuccess(
                rejected_spans=rejected, error_message=message
            )
        ),
        ExportLogsServiceResponse(
            partial_success=ExportLogsPartialSuccess(
                rejected_log_records=rejected, error_message=message
            )
        ),
        ExportMetricsServiceResponse(
            partial_success=ExportMetricsPartialSuccess(
                rejected_data_points=rejected, error_message=message
            )
        ),
    ]


@pytest.mark.parametrize(
    ("rejected", "message", "expected"),
    [
        (3, "too old", (3, "too old")),
        (3, "", (3, "no reason given")),
        (0, "deprecated", (0, "deprecated")),
        (0, "", (0, "")),
        (-1, "", (0, "")),
        (1 << 62, "\u00e9", (1 << 62, "\u00e9")),
    ],
)
def test_every_signals_answer(rejected: int, message: str, expected: tuple[int, str]) -> None:
    for answer in answers(rejected, message):
        assert read_partial_success(PROTOBUF, answer.SerializeToString()) == expected
        text = json_format.MessageToJson(answer)
        assert read_partial_success(f"{JSON}; charset=utf-8", text.encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"null",
        b'{"partialSuccess": null}',
        b'{"partialSuccess": []}',
        b'{"partialSuccess": {}}',
        b'{"partialSuccess": {"rejectedSpans": "0"}}',
    ],
)
def test_json_that_says_nothing(body: bytes) -> None:
    assert read_partial_success(JSON, body) == (0, "")


def test_unknown_and_mistyped_fields_are_ignored() -> None:
    inner = b"\x0a\x01x" + b"\x10\x05" + b"\x1a\x01y"
    body = b"\x08\x01" + b"\x12\x01z" + b"\x0a" + bytes([len(inner)]) + inner
    assert read_partial_success(PROTOBUF, body) == (0, "")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (PROTOBUF, b"<html>"),
        ("", b"ok"),
        (PROTOBUF, b"\x0a\x02\x08"),
        (JSON, b"<html>"),
        (JSON, b"\xff"),
        (JSON, b'{"partialSuccess": {"rejectedSpans": "many"}}'),
    ],
)
def test_another_body_is_a_value_error(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_partial_success(content_type, body)


@given(st.sampled_from([PROTOBUF, JSON, "", "text/html"]), st.binary(max_size=60))
def test_any_body_is_an_answer_or_a_value_error(content_type: str, body: bytes) -> None:
    try:
        rejected, _ = read_partial_success(content_type, body)
    except ValueError:
        return
    assert rejected >= 0
