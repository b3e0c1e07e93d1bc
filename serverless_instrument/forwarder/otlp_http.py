"""OTLP/HTTP requests, and what the answers mean; pure.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

from serverless_instrument import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.forwarder.batch import Export
    from serverless_instrument.forwarder.settings import Destination

DELIVERED, RETRY, REJECTED = "delivered", "retry", "rejected"
# https://opentelemetry.io/docs/specs/otlp/#failures-1
_RETRYABLE = frozenset((429, 502, 503, 504))
_GZIP_WINDOW = 31
_FAST = 1


def request(destination: Destination, export: Export) -> bytes:
    """The whole HTTP request of one export."""
    content_type, body = "application/x-protobuf", export.body
    if destination.json:
        from serverless_instrument.forwarder import otlp_json

        content_type, body = "application/json", otlp_json.convert(export.signal, body)
    headers = {
        "host": _authority(destination),
        "user-agent": f"serverless-instrument/{__version__}",
        **destination.headers,
        "content-type": content_type,
    }
    if destination.compress:
        from zlib import DEFLATED, compressobj

        compressor = compressobj(_FAST, DEFLATED, _GZIP_WINDOW)
        body = compressor.compress(body) + compressor.flush()
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    lines = [f"POST {destination.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _authority(destination: Destination) -> str:
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    default = 443 if destination.secure else 80
    return host if destination.port == default else f"{host}:{destination.port}"


class Verdict:
    """What became of an export: `kind`; if not delivered, the reason and when to try again."""

    __slots__ = ("kind", "reason", "retry_after_s")

    def __init__(self, kind: str, reason: str = "", retry_after_s: float | None = None) -> None:
        self.kind = kind
        self.reason = reason
        self.retry_after_s = retry_after_s


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """What a response means: 2xx delivered, the retryable statuses kept, anything else given up."""
    if 200 <= status < 300:
        return Verdict(DELIVERED)
    text = "".join([c if " " <= c <= "~" else " " for c in body[:200].decode("latin-1")]).strip()
    reason = f"HTTP {status}" + (f": {text}" if text else "")
    if status not in _RETRYABLE:
        return Verdict(REJECTED, reason)
    after = headers.get("retry-after", "")
    seconds = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
    return Verdict(RETRY, reason, seconds)
