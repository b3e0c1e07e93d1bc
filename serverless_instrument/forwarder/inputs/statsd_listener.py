"""The UDP socket that StatsD clients send to; reads datagrams, decides nothing.

Loaded only where SERVERLESS_INSTRUMENT_STATSD asks for it, and bound before the runtime starts:
nobody tells a client of datagrams that nobody has received.
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
# The kernel grants as much of it as net.core.rmem_max allows, and twice that: some hundred
# datagrams, in which it counts more than their bytes.
_BUFFER_BYTES = 512 * 1024
# A sender without an end is not all that is listened to.
_READ_PER_TURN_BYTES = 64 * 1024
# include/uapi/linux/sock_diag.h: numbers of 32 bits, the ninth is of datagrams without room.
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
    """Datagrams of `bound`, handed to `metrics`.

    Args:
        bound: see `listen`.
        poller: its owner waits, and calls `receive`.
        metrics: takes each datagram, and the number of those that the kernel had no room for.
    """

    __slots__ = ("_bound", "_drops", "_metrics", "_whole_bytes")

    def __init__(self, bound: _socket.socket, poller: poll, metrics: StatsdMetrics) -> None:
        self._bound = bound
        self._metrics = metrics
        self._drops = 0
        # More than it holds at a time, for the kernel counts more than the datagrams' own bytes.
        self._whole_bytes = bound.getsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF)
        poller.register(bound.fileno(), POLLIN)

    def receive(self, resource: bytes, now_unix_ns: int, *, whole: bool) -> None:
        """Read, as metrics of `resource`, a part of what there is, or the `whole`."""
        most_bytes = room_bytes = self._whole_bytes if whole else _READ_PER_TURN_BYTES
        while room_bytes > 0:
            try:
                data = self._bound.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing more
                break
            # An empty one takes time, too.
            room_bytes -= len(data) + 1
            self._metrics.datagram(data, resource, now_unix_ns)
        if room_bytes < most_bytes:
            self._count_drops()

    def _count_drops(self) -> None:
        try:
            told = self._bound.getsockopt(_socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_BYTES)
        except OSError:  # Linux before 4.12
            return
        drops = int.from_bytes(told[_DROPS], byteorder)
        if drops > self._drops:
            self._metrics.overran(drops - self._drops)
            self._drops = drops
