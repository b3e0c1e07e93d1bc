"""What the execution environment and the runtime's process have used so far, from /proc.

At the end of an invocation bytes are read, and no more: they are understood when a flush asks.
https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import posix
from time import clock_gettime_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import statvfs_result

PROC = "/proc"
_TICKS_PER_S = posix.sysconf("SC_CLK_TCK")
_PAGE_BYTES = posix.sysconf("SC_PAGE_SIZE")
# The cpu lines come first in /proc/stat, each of at most 221 bytes, and Lambda has 6 cores.
_STAT_BYTES = 16384
_NET_DEV_BYTES = 16384
_PROCESS_BYTES = 2048
# Children whose CPU time is read one by one.
_MOST_CHILDREN = 16
_LAZY = frozenset(
    (
        "cores",
        "cpu_system_s",
        "cpu_user_s",
        "idle_s",
        "process",
        "received_bytes",
        "sent_bytes",
        "total_s",
    )
)


class ProcessStat:
    """One process, of /proc/PID/stat; times with those of the children it has waited for."""

    __slots__ = ("resident_bytes", "system_s", "threads", "user_s", "waited_s")

    def __init__(self, text: bytes) -> None:
        """Raises ValueError, IndexError."""
        # The name before it, in brackets, may hold anything.
        columns = text[text.rindex(b")") + 2 :].split()
        user, system, waited_user, waited_system = (int(column) for column in columns[11:15])
        self.user_s = (user + waited_user) / _TICKS_PER_S
        self.system_s = (system + waited_system) / _TICKS_PER_S
        self.waited_s = (waited_user + waited_system) / _TICKS_PER_S
        self.threads = int(columns[17])
        self.resident_bytes = int(columns[21]) * _PAGE_BYTES


class Usage:
    """Totals at one moment; those of the environment count since it started.

    `idle_s` and `total_s` are of each core, together `cores`. `process` is the runtime's,
    `process_cpu_ns` its CPU time and that of its running children, `descriptors` what it has open;
    `tmp` is the ``statvfs_result`` of /tmp. None is what could not be read, and so is what
    `has_cpu` and `has_network` deny.

    Args:
        stat: text of /proc/stat, parsed when a figure of it is first asked for.
        net_dev: text of /proc/net/dev, likewise.
        process: text of the process's /proc/PID/stat, likewise.
    """

    __slots__ = (
        "_texts",
        "cores",
        "cpu_system_s",
        "cpu_user_s",
        "descriptors",
        "has_cpu",
        "has_network",
        "idle_s",
        "process",
        "process_cpu_ns",
        "received_bytes",
        "sent_bytes",
        "tmp",
        "total_s",
    )

    cores: int
    cpu_user_s: float
    cpu_system_s: float
    idle_s: list[float]
    total_s: list[float]
    process: ProcessStat | None
    received_bytes: int
    sent_bytes: int

    def __init__(self, stat: bytes = b"", net_dev: bytes = b"", process: bytes = b"") -> None:
        self._texts = (stat, net_dev, process)
        self.has_cpu = self.has_network = True
        self.process_cpu_ns: int | None = None
        self.descriptors: int | None = None
        self.tmp: statvfs_result | None = None
        if not stat and not net_dev and not process:
            self._parse()

    def __getattr__(self, name: str) -> object:
        # Only what has not been set gets here: the first look at what is parsed.
        if name not in _LAZY:
            raise AttributeError(name)
        self._parse()
        return object.__getattribute__(self, name)

    def _parse(self) -> None:
        stat, net_dev, process = self._texts
        try:
            self.process = ProcessStat(process)
        except (ValueError, IndexError):
            self.process = None
        self.cpu_user_s = self.cpu_system_s = 0.0
        self.idle_s, self.total_s = [], []
        self.received_bytes = self.sent_bytes = 0
        try:
            self._parse_cores(stat)
        except (ValueError, IndexError):
            self.has_cpu = False
        self.cores = len(self.idle_s)
        try:
            self._parse_interfaces(net_dev)
        except (ValueError, IndexError):
            self.has_network = False

    def _parse_cores(self, stat: bytes) -> None:
        for line in stat.splitlines():
            if not line.startswith(b"cpu"):
                break
            name, *columns = line.split()
            # user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user
            ticks = [int(column) for column in columns[:8]]
            if name == b"cpu":
                self.cpu_user_s = (ticks[0] + ticks[1]) / _TICKS_PER_S
                self.cpu_system_s = ticks[2] / _TICKS_PER_S
            else:
                self.idle_s.append(sum(ticks[3:5]) / _TICKS_PER_S)
                self.total_s.append(sum(ticks) / _TICKS_PER_S)

    def _parse_interfaces(self, net_dev: bytes) -> None:
        # Which of them leads out of Lambda has changed over time, so only loopback is left out.
        for line in net_dev.splitlines()[2:]:
            name, _, rest = line.partition(b":")
            if name.strip() != b"lo":
                columns = rest.split()
                self.received_bytes += int(columns[0])
                self.sent_bytes += int(columns[8])

    @property
    def cpu_s(self) -> float:
        """CPU time of the whole environment, user and system."""
        return self.cpu_user_s + self.cpu_system_s

    @property
    def network_bytes(self) -> int:
        """Bytes received and sent, loopback left out."""
        return self.received_bytes + self.sent_bytes


class Reader:
    """Reads usage; descriptors of what it reads stay open.

    `pid` is the runtime process to look at besides the environment, 0 for none.

    Args:
        proc: where the proc file system is.
    """

    __slots__ = ("_kept", "_proc", "_process", "pid")

    def __init__(self, proc: str = PROC) -> None:
        self._proc = proc
        self.pid = 0
        self._kept: dict[str, int] = {}
        # The process whose files are open.
        self._process = 0

    def usage(self) -> Usage | None:
        """Usage now; None where nothing can be read."""
        stat = self._read(f"{self._proc}/stat", _STAT_BYTES)
        net_dev = self._read(f"{self._proc}/net/dev", _NET_DEV_BYTES)
        process = self._read_process() if self.pid > 0 else b""
        if not stat and not net_dev and not process:
            return None
        usage = Usage(stat, net_dev, process)
        usage.has_cpu, usage.has_network = bool(stat), bool(net_dev)
        if process:
            usage.process_cpu_ns = self._cpu_ns(self.pid)
            usage.descriptors = descriptors(self.pid, self._proc)
        usage.tmp = tmp()
        return usage

    def _read_process(self) -> bytes:
        if self.pid != self._process:
            for path in (self._path("stat"), self._path("children")):
                if path in self._kept:
                    posix.close(self._kept.pop(path))
            self._process = self.pid
        return self._read(self._path("stat"), _PROCESS_BYTES)

    def _path(self, name: str) -> str:
        directory, pid = f"{self._proc}/{self._process}", self._process
        return f"{directory}/stat" if name == "stat" else f"{directory}/task/{pid}/children"

    def _cpu_ns(self, pid: int) -> int | None:
        """CPU time of `pid` and of children that its main thread has started and that still run."""
        try:
            total_ns = _clock_ns(pid)
        except OSError:
            return None
        children = self._read(self._path("children"), _PROCESS_BYTES)
        return total_ns + _children_ns(children.split()[:_MOST_CHILDREN])

    def _read(self, path: str, most_bytes: int) -> bytes:
        """What the file holds, b"" where it cannot be read."""
        try:
            descriptor = self._kept.get(path, -1)
            if descriptor < 0:
                flags = posix.O_RDONLY | posix.O_CLOEXEC
                descriptor = self._kept[path] = posix.open(path, flags)
            return posix.pread(descriptor, most_bytes, 0)
        except OSError:
            return b""


def _clock_ns(pid: int) -> int:
    # As clock_getcpuclockid(3) makes it, which Python has for threads only: to the nanosecond where
    # /proc counts in hundredths of a second, longer than many an invocation takes.
    return clock_gettime_ns(~pid << 3 | 2)


def _children_ns(pids: Iterable[bytes]) -> int:
    total_ns, own = 0, posix.getpid()
    for pid in pids:
        try:
            # Without the layer this process is a child of the runtime's, but no part of it.
            total_ns += _clock_ns(int(pid)) if int(pid) != own else 0
        except (OSError, ValueError, OverflowError):
            continue
    return total_ns


def descriptors(pid: int, proc: str = PROC) -> int | None:
    """Open descriptors of a process; None where they cannot be counted."""
    path = f"{proc}/{pid}/fd"
    try:
        # Since Linux 6.2 the directory's size is the number; before, it is 0.
        return posix.stat(path).st_size or len(posix.listdir(path))
    except OSError:
        return None


def tmp() -> statvfs_result | None:
    """The file system of /tmp, the only one that a function can write to."""
    try:
        return posix.statvfs("/tmp")
    except OSError:
        return None


usage = Reader().usage
