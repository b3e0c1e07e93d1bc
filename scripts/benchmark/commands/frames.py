"""``scripts/bench frames``: two shapes of a SPANS frame; behind a choice in docs/architecture.md.

A: the scope once per frame, the resource once per connection, joined by the forwarder (as built).
B: a whole ExportTraceServiceRequest per frame, joined by plain concatenation.
"""

from __future__ import annotations

import os
import sys
import zlib
from time import process_time_ns
from typing import TYPE_CHECKING

from benchmark import command, markdown_table
from serverless_instrument import resource, wire
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.destinations import destination
from serverless_instrument.forwarder.intake import Session
from serverless_instrument.wrapper.records import encoder, record_encoder, records
from serverless_instrument.wrapper.records.encoder import SCOPE
from tests.forwarder import intakes

if TYPE_CHECKING:
    from collections.abc import Sequence

_TITLES = ("shape", "through the socket, B", "joining, ms", "request, B", "gzip -1, B", "gzip, ms")
SPANS = 5_000
ENVIRON = {
    "AWS_LAMBDA_FUNCTION_NAME": "shop-items-prod",
    "AWS_LAMBDA_FUNCTION_VERSION": "42",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop-items-prod",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[42]0123456789abcdef0123456789abcdef",
    "AWS_REGION": "eu-central-1",
}


def _spans() -> list[bytes]:
    limits = records.Limits()
    trace_id = os.urandom(16)
    messages = []
    for number in range(SPANS):
        span = records.Span(
            "DynamoDB.GetItem",
            records.KIND_CLIENT,
            trace_id,
            os.urandom(8),
            1_795_000_000_000_000_000 + number,
            {
                "rpc.system.name": "aws-api",
                "rpc.method": "DynamoDB/GetItem",
                "cloud.region": "eu-central-1",
                "aws.dynamodb.table_names": ["items"],
                "http.response.status_code": 200,
                "aws.request_id": os.urandom(16).hex(),
            },
            os.urandom(8),
        )
        span.end_unix_ns = span.start_unix_ns + 1_000_000
        messages.append(record_encoder.span(span, limits))
    return messages


def _as_built(resource_bytes: bytes, spans: list[bytes]) -> tuple[int, float, bytes]:
    frames = [
        wire.frame(wire.SPANS, wire.pack_batch(SCOPE, encoder.item(span), 1)) for span in spans
    ]
    stream = b"".join(frames)
    batch = Batch()
    intake, session = intakes.intake(batch), Session()
    intake.read_frames(session, wire.frame(wire.HELLO, wire.pack_hello(1, b"", resource_bytes)))
    started = process_time_ns()
    for start in range(0, len(stream), 65536):
        intake.read_frames(session, stream[start : start + 65536])
    exports = batch.take_exports()
    took_ms = (process_time_ns() - started) / 1e6
    assert exports[0].signal == destination.TRACES
    return len(stream), took_ms, b"".join(export.body for export in exports)


def _whole_requests(resource_bytes: bytes, spans: list[bytes]) -> tuple[int, float, bytes]:
    head = wire.field(b"\x0a", resource_bytes)
    frames = [
        wire.frame(
            wire.SPANS,
            wire.field(b"\x0a", head + wire.field(b"\x12", SCOPE + encoder.item(span))),
        )
        for span in spans
    ]
    stream = b"".join(frames)
    reader = wire.FrameReader()
    payloads: list[bytes] = []
    started = process_time_ns()
    for start in range(0, len(stream), 65536):
        payloads += [payload for _, payload in reader.feed(stream[start : start + 65536])]
    body = b"".join(payloads)
    return len(stream), (process_time_ns() - started) / 1e6, body


def _gzip(body: bytes) -> tuple[int, float]:
    started = process_time_ns()
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    size = len(compressor.compress(body) + compressor.flush())
    return size, (process_time_ns() - started) / 1e6


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    command.parser("frames", f"Frame shapes.\n\n{__doc__}").parse_args(arguments)
    resource_bytes = encoder.resource(resource.attributes(ENVIRON, []))
    spans = _spans()
    print(f"Python {sys.version.split()[0]}, {SPANS} spans, CPU ms\n")
    rows = []
    for name, shape in (("A scope + items", _as_built), ("B whole request", _whole_requests)):
        stream_bytes, joining_ms, body = shape(resource_bytes, spans)
        compressed_bytes, gzip_ms = _gzip(body)
        sizes = f"{stream_bytes:,}", f"{len(body):,}", f"{compressed_bytes:,}"
        rows.append([name, sizes[0], f"{joining_ms:.1f}", *sizes[1:], f"{gzip_ms:.1f}"])
    print("\n".join(markdown_table.lines(_TITLES, rows)))
    return 0
