"""OTLP/HTTP requests, and what the answers mean; pure.

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


def prepare(destination: Destination) -> None:
    """Import what `request` will need."""
    if destination.json:
        from serverless_instrument.forwarder.codec import otlp_json  # noqa: F401 # loading is the point
    if destination.compress:
        import zlib  # noqa: F401 # as above


def request(
    destination: Destination,
    export: Export,
    more: Mapping[str, str] | None = None,
    sign: Callable[[dict[str, str], bytes], Mapping[str, str]] | None = None,
) -> bytes:
    """The whole HTTP request of one export.

    `more` are headers over those of the settings; `sign` gets all of them and the body as it is
    sent, and gives those that sign it.
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


class Verdict:
    """What became of an export: `kind`, and the reason if anything went wrong.

    `retry_after_s` is what the backend asked for; `rejected` the number of items that it refused
    while it took the others; `status` the HTTP status, 0 without an answer. `ambiguous`: a whole
    request went unanswered on the way, so the items may arrive twice.
    """

    __slots__ = ("ambiguous", "kind", "reason", "rejected", "retry_after_s", "status")

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
        self.ambiguous = False


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """What a response means: 2xx delivered, the retryable statuses kept, anything else given up."""
    if 200 <= status < 300:
        rejected, message = _partial_success(headers, body) if body else (0, "")
        return Verdict(DELIVERED, _printable(message), rejected=rejected, status=status)
    text = _printable(body[:_REASON_CHARACTERS].decode("latin-1"))
    reason = f"HTTP {status}" + (f": {text}" if text else "")
    if status not in _RETRYABLE:
        return Verdict(REJECTED, reason, status=status)
    after = headers.get("retry-after", "")
    seconds = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
    return Verdict(RETRY, reason, seconds, status=status)


def _printable(text: str) -> str:
    return "".join([c if " " <= c <= "~" else " " for c in text[:_REASON_CHARACTERS]]).strip()


def _partial_success(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """(rejected items, message) of the response's ``partial_success``; (0, "") if all is well.

    https://opentelemetry.io/docs/specs/otlp/#partial-success-1
    """
    from serverless_instrument.forwarder.exporter import otlp_answer

    try:
        return otlp_answer.partial_success(headers.get("content-type", ""), body)
    except ValueError:  # a 2xx is a success, whatever else the backend says
        return 0, ""
