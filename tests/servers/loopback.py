"""Ports on the loopback interface of a network namespace."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct

_START_TIMEOUT_S = 30.0
_POLL_S = 0.005

# Interface flags: https://man7.org/linux/man-pages/man7/netdevice.7.html
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def loopback_up() -> None:
    """Bring up lo, which is down in a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        flags = struct.unpack("16sh14x", answer)[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


# Below those that the kernel hands out itself (ip(7), ip_local_port_range), each given once: one
# that was bound and given up could be given to two servers beside each other.
_ports = iter(range(20_000, 32_000))


def free_port() -> int:
    """A port that nobody uses; in this network namespace nobody else will take it."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


async def listening(port: int) -> None:
    """Wait until something accepts connections on `port`. Raises asyncio.TimeoutError."""

    async def accepted() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(_POLL_S)
            else:
                writer.close()
                return

    await asyncio.wait_for(accepted(), _START_TIMEOUT_S)
