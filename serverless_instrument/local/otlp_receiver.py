"""An OTLP/HTTP receiver on loopback that keeps the requests it decodes.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from serverless_instrument.local.view import otlp_data

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

Answer = tuple[int, dict[str, str], bytes]
_Request = TypeVar("_Request", bound=Message)

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_MAX_BODY_BYTES = 64 * 1024 * 1024
# OTLP/JSON has these in hexadecimal, protobuf's JSON mapping in base64:
# https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
_HEX_FIELDS = frozenset(("traceId", "spanId", "parentSpanId"))


class UndecodableError(Exception):
    """The body does not match its Content-Type or Content-Encoding."""


class OtlpReceiver:
    """Async context manager; listens on a free port of 127.0.0.1 unless told otherwise.

    With `on_request` every decoded export request is passed to it, and none is kept.

    Attributes:
        url: ``http://127.0.0.1:PORT``, a value for ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        traces: every request of /v1/traces, decoded; likewise `logs` and `metrics`.
        raw: (path, lower-case headers, decompressed body) of every request.
        respond: called, when set, with the path of each request; returns (status, headers, body)
            to answer with, and the request is kept in `raw` alone. None: an ordinary success.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        on_request: Callable[[Message], None] | None = None,
    ) -> None:
        self._address = (host, port)
        self._on_request = on_request
        self.url = ""
        self.traces: list[ExportTraceServiceRequest] = []
        self.logs: list[ExportLogsServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.raw: list[tuple[str, dict[str, str], bytes]] = []
        self.respond: Callable[[str], Awaitable[Answer | None]] | None = None

    async def __aenter__(self) -> OtlpReceiver:
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        application.router.add_post("/{path:.*}", self._handle)
        # aiohttp would decompress the body before a damaged one could be answered with 400.
        self._runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, shutdown_timeout=0.1
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    def spans(self) -> list[tuple[Resource, InstrumentationScope, Span]]:
        """Every span received, with its resource and its scope."""
        return [item for request in self.traces for item in otlp_data.each_span(request)]

    def log_records(self) -> list[tuple[Resource, InstrumentationScope, LogRecord]]:
        """Every log record received, with its resource and its scope."""
        return [item for request in self.logs for item in otlp_data.each_log_record(request)]

    def metric_points(self) -> list[tuple[Resource, InstrumentationScope, Metric]]:
        """Every metric received, with its resource and its scope."""
        return [
            (group.resource, scope.scope, metric)
            for request in self.metrics
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        ]

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            body = decompress(await request.read(), headers.get("content-encoding", ""))
        except UndecodableError as error:
            return web.Response(status=400, text=str(error))
        if self._on_request is None:
            self.raw.append((request.path, headers, body))
        if self.respond is not None:
            answer = await self.respond(request.path)
            if answer is not None:
                status, answer_headers, answer_body = answer
                return web.Response(status=status, headers=answer_headers, body=answer_body)
        content_type = headers.get("content-type", "").partition(";")[0].strip()
        try:
            response = self._decode_and_keep(request.path, content_type, body)
        except UndecodableError as error:
            return web.Response(status=400, text=str(error))
        if response is None:
            return web.Response(status=404)
        if content_type == _JSON:
            return web.Response(text=json_format.MessageToJson(response), content_type=_JSON)
        return web.Response(body=response.SerializeToString(), content_type=_PROTOBUF)

    def _decode_and_keep(self, path: str, content_type: str, body: bytes) -> Message | None:
        if path == "/v1/traces":
            self._keep(decode(ExportTraceServiceRequest, content_type, body), self.traces)
            return ExportTraceServiceResponse()
        if path == "/v1/logs":
            self._keep(decode(ExportLogsServiceRequest, content_type, body), self.logs)
            return ExportLogsServiceResponse()
        if path == "/v1/metrics":
            self._keep(decode(ExportMetricsServiceRequest, content_type, body), self.metrics)
            return ExportMetricsServiceResponse()
        return None

    def _keep(self, request: _Request, kept: list[_Request]) -> None:
        if self._on_request is None:
            kept.append(request)
        else:
            self._on_request(request)


def decompress(body: bytes, encoding: str) -> bytes:
    """The body without its ``Content-Encoding``. Raises `UndecodableError`."""
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise UndecodableError(f"Content-Encoding {encoding} is not supported; use gzip")
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise UndecodableError(f"body is not gzip: {error}") from None


def decode(kind: type[_Request], content_type: str, body: bytes) -> _Request:
    """An export request from its protobuf or JSON form. Raises `UndecodableError`."""
    message = kind()
    try:
        if content_type == _PROTOBUF:
            message.ParseFromString(body)
        elif content_type == _JSON:
            document = json.loads(body, object_hook=_ids_to_base64)
            json_format.ParseDict(document, message, ignore_unknown_fields=True)
        else:
            raise UndecodableError(f"Content-Type {content_type or 'missing'}; use {_PROTOBUF}")
    except (DecodeError, json_format.ParseError, ValueError, AttributeError) as error:
        raise UndecodableError(f"body is not {content_type}: {error}") from None
    return message


def _ids_to_base64(node: dict[str, Any]) -> dict[str, Any]:
    for name in _HEX_FIELDS & node.keys():
        if isinstance(node[name], str):
            node[name] = base64.b64encode(bytes.fromhex(node[name])).decode()
    return node
