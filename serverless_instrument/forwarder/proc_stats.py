"""What the execution environment has used so far, from /proc; it shares none of it with others.

https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import posix

_TICKS_PER_S = 100  # USER_HZ, the same on every Linux that Lambda runs
_READ_BYTES = 65536


class Usage:
    """Totals since the environment started; `idle_s` is of each core, together `cores`."""

    __slots__ = (
        "cores",
        "cpu_system_s",
        "cpu_user_s",
        "idle_s",
        "received_bytes",
        "sent_bytes",
    )

    def __init__(self) -> None:
        self.cpu_user_s = self.cpu_system_s = 0.0
        self.idle_s: list[float] = []
        self.cores = 0
        self.received_bytes = self.sent_bytes = 0

    @property
    def cpu_s(self) -> float:
        """CPU time, user and system."""
        return self.cpu_user_s + self.cpu_system_s

    @property
    def network_bytes(self) -> int:
        """Bytes received and sent, loopback left out."""
        return self.received_bytes + self.sent_bytes


def usage() -> Usage | None:
    """Usage now; None where /proc cannot be read."""
    try:
        return parse(_read("/proc/stat"), _read("/proc/net/dev"))
    except (OSError, ValueError, IndexError):
        return None


def parse(stat: str, net_dev: str) -> Usage:
    """Usage from the texts of /proc/stat and /proc/net/dev. Raises ValueError, IndexError."""
    found = Usage()
    for line in stat.splitlines():
        if not line.startswith("cpu"):
            break
        name, *columns = line.split()
        if name == "cpu":
            user, nice, system = (int(column) for column in columns[:3])
            found.cpu_user_s = (user + nice) / _TICKS_PER_S
            found.cpu_system_s = system / _TICKS_PER_S
        else:
            found.idle_s.append(int(columns[3]) / _TICKS_PER_S)
    found.cores = len(found.idle_s)
    for line in net_dev.splitlines()[2:]:
        name, _, rest = line.partition(":")
        if name.strip() != "lo":
            columns = rest.split()
            found.received_bytes += int(columns[0])
            found.sent_bytes += int(columns[8])
    return found


def _read(path: str) -> str:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(descriptor, _READ_BYTES).decode()
    finally:
        posix.close(descriptor)
