"""Invocations under test: real contexts of the runtime client, fixed time and ids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from awslambdaric.lambda_context import LambdaContext

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper.invocation.invocation import Invocation
from serverless_instrument.wrapper.settings import Settings
from tests.wrapper import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop"
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
START_UNIX_NS = 1_700_000_000_123_456_789
END_UNIX_NS = START_UNIX_NS + 25_000_000


def ids(size: int) -> bytes:
    return bytes(range(1, size + 1))


def lambda_context(arn: str = ARN, version: str = "7", timeout_s: float = 3) -> LambdaContext:
    deadline_unix_ms = int((time.time() + timeout_s) * 1000)
    context = LambdaContext(REQUEST_ID, None, None, deadline_unix_ms, arn)
    context.function_version = version
    return context


def invocation(
    event: object = None,
    context: object = None,
    environ: Mapping[str, str] | None = None,
    *,
    coldstart: bool = False,
    **settings: str,
) -> Invocation:
    return Invocation(
        event,
        context,
        Settings(settings),
        {"AWS_LAMBDA_FUNCTION_NAME": "shop"} if environ is None else environ,
        START_UNIX_NS,
        ids,
        coldstart=coldstart,
    )


def started(*args: Any, **settings: Any) -> Invocation:
    made = invocation(*args, **settings)
    made.start()
    return made


def only_frame(data: bytes, kind: int) -> bytes:
    ((found, payload),) = decoded.frames(data)
    assert found == kind
    return payload


def start_span(data: bytes) -> Span:
    """The unfinished span of a START frame."""
    batch = wire_payloads.RequestPayload(only_frame(data, wire.START)).batch
    _, message, count = wire_payloads.unpack_batch(batch)
    assert count == 1
    return decoded.span(message)


def end_span(data: bytes) -> Span:
    """The invocation's span of an END frame."""
    return end_spans(data)[0]


def end_spans(data: bytes) -> list[Span]:
    """The spans of an END frame: the invocation's, then a batch's."""
    batch = wire_payloads.RequestPayload(only_frame(data, wire.END)).batch
    return list(decoded.scope_spans(batch).spans)
