"""OTLP/HTTP requests, and the results that responses stand for. Pure.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

from serverless_instrument.wire import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.exporter.export import Export

DELIVERED, RETRY, REJECTED = "delivered", "retry", "rejected"
# https://opentelemetry.io/docs/specs/otlp/#failures-1
_RETRYABLE = frozenset((429, 502, 503, 504))
_GZIP_WINDOW = 31
_FAST = 1
_REASON_CHARACTERS = 200


def load_encoders(destination: Destination) -> None:
    """Import what `export_request` needs for `destination`."""
    if destination.json:
        from serverless_instrument.forwarder.codec import otlp_json  # noqa: F401 # loading is the point
    if destination.compress:
        import zlib  # noqa: F401 # as above


def export_request(
    destination: Destination,
    export: Export,
    more: Mapping[str, str] | None = None,
    sign: Callable[[dict[str, str], bytes], Mapping[str, str]] | None = None,
) -> bytes:
    """The whole HTTP request of one export.

    `more` are headers that override those of the settings. `sign` gets all headers and the body as
    it is sent, and returns the headers that sign them.
    """
    content_type, body = "application/x-protobuf", export.body
    if destination.json:
        from serverless_instrument.forwarder.codec import otlp_json

        content_type, body = "application/json", otlp_json.encode_json(export.signal, body)
    headers = {
        "host": destination.authority(),
        "user-agent": f"serverless-instrument/{__version__}",
        **destination.headers,
        **(more or {}),
        "content-type": content_type,
    }
    if destination.compress:
        from zlib import DEFLATED, compressobj

        compressor = compressobj(_FAST, DEFLATED, _GZIP_WINDOW)
        body = compressor.compress(body) + compressor.flush()
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    if sign is not None:
        headers.update(sign(headers, body))
    return post_request(destination, headers, body)


def post_request(destination: Destination, headers: dict[str, str], body: bytes) -> bytes:
    """A whole POST request to `destination`, in the form that its proxy wants if it has one."""
    target, proxy = destination.path, destination.proxy
    if proxy is not None and not destination.secure:
        # A proxy is told the whole URL (RFC 9112, section 3.2.2).
        target = f"http://{destination.authority()}{target}"
        if proxy.authorization:
            headers["proxy-authorization"] = proxy.authorization
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class ExportResult:
    """The result of an export: `kind` (`DELIVERED`, `RETRY` or `REJECTED`), and why.

    `retry_after_s` is what the backend asked for, `rejected` the number of items that it refused
    while it took the others, `status` the HTTP status, 0 without a response. `unanswered` is True
    where a whole request got no response, so that the items may arrive twice.
    """

    __slots__ = ("kind", "reason", "rejected", "retry_after_s", "status", "unanswered")

    def __init__(
        self,
        kind: str,
        reason: str = "",
        retry_after_s: float | None = None,
        rejected: int = 0,
        status: int = 0,
    ) -> None:
        self.kind = kind
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.rejected = rejected
        self.status = status
        self.unanswered = False


def read_response(status: int, headers: Mapping[str, str], body: bytes) -> ExportResult:
    """The result: 2xx is delivered, the retryable statuses are tried again, others are rejected."""
    if 200 <= status < 300:
        rejected, message = _partial_success(headers, body) if body else (0, "")
        return ExportResult(DELIVERED, _printable(message), rejected=rejected, status=status)
    text = _printable(body[:_REASON_CHARACTERS].decode("latin-1"))
    reason = f"HTTP {status}" + (f": {text}" if text else "")
    if status not in _RETRYABLE:
        return ExportResult(REJECTED, reason, status=status)
    after = headers.get("retry-after", "")
    seconds = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
    return ExportResult(RETRY, reason, seconds, status=status)


def _printable(text: str) -> str:
    return "".join([c if " " <= c <= "~" else " " for c in text[:_REASON_CHARACTERS]]).strip()


def _partial_success(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """(rejected items, message) of the response's ``partial_success``; (0, "") without one.

    https://opentelemetry.io/docs/specs/otlp/#partial-success-1
    """
    from serverless_instrument.forwarder.exporter import partial_success

    try:
        return partial_success.read_partial_success(headers.get("content-type", ""), body)
    except ValueError:  # a 2xx is a success, even if its body cannot be read
        return 0, ""
