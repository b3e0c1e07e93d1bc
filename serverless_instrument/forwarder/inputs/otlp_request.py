"""OTLP/HTTP requests to the receiver, and the responses to them. Pure.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.export_request import count_items
from serverless_instrument.forwarder.destinations.destination import SIGNALS
from serverless_instrument.forwarder.http1_server import BODY_LIMIT_BYTES, response
from serverless_instrument.wire import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.http1_server import RequestParser

_SIGNALS = {f"/v1/{signal}": signal for signal in SIGNALS}
_GZIP_WINDOW = 31
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_INVALID_ARGUMENT = b"\x08\x03"


class BadRequestError(Exception):
    """A request that is refused; `status` is that of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def parse_export(parser: RequestParser) -> tuple[str, bytes, int]:
    """(signal, encoded ``Export*ServiceRequest``, number of its items) of a complete request.

    Raises:
        BadRequestError: it is no export request in protobuf.
    """
    signal = _SIGNALS.get(parser.target.partition("?")[0])
    if signal is None:
        raise BadRequestError(404, "post to /v1/traces, /v1/logs or /v1/metrics")
    if parser.method != "POST":
        raise BadRequestError(405, "only POST is served")
    if _content_type(parser) != _PROTOBUF:
        raise BadRequestError(
            415,
            "only application/x-protobuf is taken: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        )
    body = _decompressed(bytes(parser.body), parser.headers.get("content-encoding", ""))
    try:
        # Bodies are joined with others: one that is no message would spoil them.
        return signal, body, count_items(body)
    except ValueError as error:
        raise BadRequestError(400, f"the body is no export request: {error}") from None


def _content_type(parser: RequestParser) -> str:
    return parser.headers.get("content-type", "").partition(";")[0].strip().lower()


def _decompressed(body: bytes, coding: str) -> bytes:
    if coding.lower() in ("", "identity"):
        return body
    if coding.lower() != "gzip":
        raise BadRequestError(415, "only gzip is taken as a content encoding")
    from zlib import decompressobj, error

    decompressor = decompressobj(_GZIP_WINDOW)
    try:
        # One byte more than the limit is enough to tell: a small body may hold gigabytes.
        plain = decompressor.decompress(body, BODY_LIMIT_BYTES + 1)
    except error:
        raise BadRequestError(400, "the body is not gzip") from None
    if len(plain) > BODY_LIMIT_BYTES:
        raise BadRequestError(413, f"a body is at most {BODY_LIMIT_BYTES} bytes long")
    if not decompressor.eof:
        raise BadRequestError(400, "the body's gzip is cut off")
    return plain


def success_response(*, keep_alive: bool) -> bytes:
    """The response to an export: an empty ``Export*ServiceResponse``."""
    return response(200, keep_alive=keep_alive, content_type=_PROTOBUF)


def refusal_response(error: BadRequestError, parser: RequestParser, *, keep_alive: bool) -> bytes:
    """The response to anything else: a ``google.rpc.Status``, as the specification has it."""
    if _content_type(parser) == _JSON:
        body = f'{{"code":3,"message":"{error}"}}'.replace("\\", " ").encode("ascii", "replace")
        return response(error.status, keep_alive=keep_alive, content_type=_JSON, body=body)
    body = _INVALID_ARGUMENT + field(b"\x12", str(error).encode())
    return response(error.status, keep_alive=keep_alive, content_type=_PROTOBUF, body=body)
