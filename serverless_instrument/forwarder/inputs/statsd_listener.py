"""The UDP socket that StatsD clients send to.

Loaded only where SERVERLESS_INSTRUMENT_STATSD asks for it, and bound before the runtime starts:
clients are not told of datagrams that are not received.
"""

from __future__ import annotations

import _socket
from select import POLLIN
from sys import byteorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from select import poll

    from serverless_instrument.forwarder.inputs.statsd_metrics import StatsdMetrics

_DATAGRAM_BYTES = 65_535
# The kernel doubles it, and grants no more than net.core.rmem_max allows. It counts more than the
# bytes of datagrams, so this holds some hundreds of them.
_BUFFER_BYTES = 512 * 1024
# One sender must not keep the event loop busy alone.
_READ_PER_TURN_BYTES = 64 * 1024
# include/uapi/linux/sock_diag.h: nine numbers of 32 bits; the last is SK_MEMINFO_DROPS.
_SO_MEMINFO, _MEMINFO_BYTES, _DROPS = 55, 36, slice(32, 36)


def listen(port: int) -> tuple[_socket.socket | None, str]:
    """(socket on 127.0.0.1, ""), or (None, the reason why there is none); never raises."""
    bound = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        bound.bind(("127.0.0.1", port))
        bound.setblocking(False)
        bound.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, _BUFFER_BYTES)
    except OSError as error:
        bound.close()
        return None, (
            f"no StatsD is received: cannot listen on 127.0.0.1:{port}: {error.strerror}; set "
            "SERVERLESS_INSTRUMENT_STATSD to a free port, and the client to the same"
        )
    return bound, ""


class StatsdListener:
    """Reads datagrams of `bound` into `metrics`.

    Args:
        bound: see `listen`.
        poller: its owner waits, and calls `receive`.
        metrics: gets each datagram, and the number of those that the kernel had no room for.
    """

    __slots__ = ("_bound", "_drops", "_metrics", "_whole_bytes")

    def __init__(self, bound: _socket.socket, poller: poll, metrics: StatsdMetrics) -> None:
        self._bound = bound
        self._metrics = metrics
        self._drops = 0
        # More than the bytes that it can hold at a time; see `_BUFFER_BYTES`.
        self._whole_bytes = bound.getsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF)
        poller.register(bound.fileno(), POLLIN)

    def receive(self, resource: bytes, now_unix_ns: int, *, whole: bool) -> None:
        """Read datagrams as metrics of `resource`; not `whole`, only as many as one turn may."""
        most_bytes = room_bytes = self._whole_bytes if whole else _READ_PER_TURN_BYTES
        while room_bytes > 0:
            try:
                data = self._bound.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing more
                break
            # An empty datagram takes time, too.
            room_bytes -= len(data) + 1
            self._metrics.add_datagram(data, resource, now_unix_ns)
        if room_bytes < most_bytes:
            self._count_drops()

    def _count_drops(self) -> None:
        try:
            told = self._bound.getsockopt(_socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_BYTES)
        except OSError:  # Linux before 4.12
            return
        drops = int.from_bytes(told[_DROPS], byteorder)
        if drops > self._drops:
            self._metrics.count_overrun(drops - self._drops)
            self._drops = drops
