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


def free_port() -> int:
    """A port that nobody uses; in this network namespace nobody else will take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
