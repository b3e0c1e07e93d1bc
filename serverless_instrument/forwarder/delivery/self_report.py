"""The forwarder's own figures as OTLP metrics; pure, loaded with the first report.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/#sums; delta, because an environment is
one of many and short-lived.
"""

from __future__ import annotations

import struct

from serverless_instrument.forwarder.delivery import delivery_counts as tally
from serverless_instrument.wire import __version__, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.delivery.delivery_counts import Key

_SCOPE_NAME = "serverless_instrument.forwarder"
_UNITS = {tally.FLUSH_S: "s", tally.FRAMES: "{frame}"}
_DESCRIPTIONS = {
    tally.FRAMES: "Frames that runtimes have sent",
    tally.RECEIVED: "Spans, log records and metrics that came from the function and the platform",
    tally.SENT: "Items that a backend has taken",
    tally.RETRIED: "Items that were kept to be sent again",
    tally.UNANSWERED: "Items of requests that nobody answered: sent again, they may arrive twice",
    tally.DROPPED: "Items that were given up",
    tally.FLUSH_S: "Time that ends of invocations have waited for backends",
}
_QUEUE = "queue.size"
_DELTA_MONOTONIC = b"\x10\x01\x18\x01"


def scope() -> bytes:
    """The tagged ``scope`` field of a ``ScopeMetrics``."""
    name = field(b"\x0a", _SCOPE_NAME.encode())
    return field(b"\x0a", name + field(b"\x12", __version__.encode()))


def metrics(
    counted: dict[Key, float], queue_bytes: int, since_unix_ns: int, now_unix_ns: int
) -> bytes:
    """Tagged metrics of what `Tally.unreported` says and of the queue."""
    points: dict[str, list[bytes]] = {}
    for (what, signal, reason), number in sorted(counted.items()):
        point = _point(number, since_unix_ns, now_unix_ns, signal=signal, reason=reason)
        points.setdefault(what, []).append(field(b"\x0a", point))
    encoded = [
        _metric(what, _DESCRIPTIONS[what], _UNITS.get(what, "{item}"))
        + field(b"\x3a", b"".join(points[what]) + _DELTA_MONOTONIC)
        for what in points
    ]
    gauge = field(b"\x0a", _point(queue_bytes, 0, now_unix_ns))
    queue = _metric(_QUEUE, "Bytes that wait in memory and on disk", "By")
    encoded.append(queue + field(b"\x2a", gauge))
    return b"".join([field(b"\x12", one) for one in encoded])


def _metric(name: str, description: str, unit: str) -> bytes:
    return (
        field(b"\x0a", f"{_SCOPE_NAME}.{name}".encode())
        + field(b"\x12", description.encode())
        + field(b"\x1a", unit.encode())
    )


def _point(number: float, since_unix_ns: int, now_unix_ns: int, **attributes: str) -> bytes:
    """A ``NumberDataPoint``; a start time of 0 is none."""
    encoded = b"".join(
        [
            field(b"\x3a", field(b"\x0a", name.encode()) + field(b"\x12", _text(value)))
            for name, value in attributes.items()
            if value
        ]
    )
    if since_unix_ns:
        encoded += b"\x11" + struct.pack("<Q", since_unix_ns)
    encoded += b"\x19" + struct.pack("<Q", now_unix_ns)
    if isinstance(number, int):
        return encoded + b"\x31" + struct.pack("<q", number)
    return encoded + b"\x21" + struct.pack("<d", number)


def _text(value: str) -> bytes:
    return field(b"\x0a", value.encode())
