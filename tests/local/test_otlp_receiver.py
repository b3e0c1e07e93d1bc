"""The OTLP receiver, called over HTTP as an exporter calls it."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from serverless_instrument.local.otlp_receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
GZIP = {"Content-Encoding": "gzip"}


def trace_request() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_spans.add()
    scope.scope.name = "ours"
    span = scope.spans.add(name="GET /", trace_id=bytes(range(16)), span_id=bytes(range(8)))
    span.attributes.add(key="n").value.int_value = 2**62
    return request


def exchange(
    *posts: tuple[str, dict[str, str], bytes], **settings: Any
) -> tuple[OtlpReceiver, list[tuple[int, str, bytes]]]:
    async def scenario() -> tuple[OtlpReceiver, list[tuple[int, str, bytes]]]:
        async with OtlpReceiver() as receiver, aiohttp.ClientSession() as session:
            for name, value in settings.items():
                setattr(receiver, name, value)
            answers = []
            for path, headers, body in posts:
                async with session.post(receiver.url + path, headers=headers, data=body) as answer:
                    content = await answer.read()
                    answers.append((answer.status, answer.content_type, content))
        return receiver, answers

    return asyncio.run(scenario())


@pytest.mark.parametrize("compressed", [False, True])
def test_protobuf(compressed: bool) -> None:
    body = trace_request().SerializeToString()
    sent = gzip.compress(body) if compressed else body
    headers = PROTOBUF | (GZIP if compressed else {}) | {"X-Key": "Value"}
    receiver, ((status, kind, answer),) = exchange(("/v1/traces", headers, sent))
    assert (status, kind) == (200, "application/x-protobuf")
    ExportTraceServiceResponse.FromString(answer)
    assert receiver.traces == [trace_request()]
    path, seen, raw = receiver.raw[0]
    assert (path, seen["x-key"], raw) == ("/v1/traces", "Value", body)
    ((resource, scope, span),) = receiver.spans()
    assert resource.attributes[0].value.string_value == "shop"
    assert (scope.name, span.name) == ("ours", "GET /")


def test_json_has_its_ids_in_hexadecimal() -> None:
    document = json_format.MessageToDict(trace_request())
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["traceId"], span["spanId"] = bytes(range(16)).hex(), bytes(range(8)).hex()
    span["unknownField"] = 1
    body = json.dumps(document).encode()
    receiver, ((status, kind, _),) = exchange(("/v1/traces", JSON | GZIP, gzip.compress(body)))
    assert (status, kind) == (200, "application/json")
    assert receiver.traces == [trace_request()]


def test_logs_and_metrics() -> None:
    logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = "line"
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="faas.errors")
    receiver, answers = exchange(
        ("/v1/logs", PROTOBUF, logs.SerializeToString()),
        ("/v1/metrics", PROTOBUF, metrics.SerializeToString()),
    )
    assert [status for status, _, _ in answers] == [200, 200]
    assert receiver.log_records()[0][2].body.string_value == "line"
    assert receiver.metric_points()[0][2].name == "faas.errors"
    assert receiver.spans() == []


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/v1/traces", PROTOBUF, b"\xff\xff", 400),
        ("/v1/traces", PROTOBUF | GZIP, b"not gzip", 400),
        ("/v1/traces", PROTOBUF | {"Content-Encoding": "br"}, b"", 400),
        ("/v1/traces", JSON, b"{", 400),
        ("/v1/traces", JSON, b'{"resourceSpans": 1}', 400),
        ("/v1/traces", JSON, b'[{"traceId": "xy"}]', 400),
        ("/v1/traces", {"Content-Type": "text/plain"}, b"", 400),
        ("/v1/profiles", PROTOBUF, b"", 404),
    ],
)
def test_what_it_cannot_take(path: str, headers: dict[str, str], body: bytes, status: int) -> None:
    receiver, ((answered, _, _),) = exchange((path, headers, body))
    assert answered == status
    assert not receiver.traces


def test_answers_as_the_hook_says() -> None:
    answers = iter([(503, {"Retry-After": "1"}, b"later"), None])

    async def respond(path: str) -> tuple[int, dict[str, str], bytes] | None:
        assert path == "/v1/traces"
        return next(answers)

    hook: Callable[[str], Awaitable[Any]] = respond
    post = ("/v1/traces", PROTOBUF, trace_request().SerializeToString())
    receiver, seen = exchange(post, post, respond=hook)
    assert [status for status, _, _ in seen] == [503, 200]
    assert seen[0][2] == b"later"
    assert len(receiver.raw) == 2
    assert len(receiver.traces) == 1
