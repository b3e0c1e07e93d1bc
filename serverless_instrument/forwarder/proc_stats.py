"""What the execution environment and the runtime's process have used so far, from /proc.

At the end of an invocation bytes are read, and no more: they are understood when a flush asks.
https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import posix
from time import clock_gettime_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import statvfs_result

PROC = "/proc"
_TICKS_PER_S = posix.sysconf("SC_CLK_TCK")
_PAGE_BYTES = posix.sysconf("SC_PAGE_SIZE")
# The cores come first in /proc/stat, and Lambda has six at most.
_STAT_BYTES = 4096
_NET_DEV_BYTES = 4096
_PROCESS_BYTES = 1024
# Children whose CPU time is read one by one.
_MOST_CHILDREN = 16
# Instead of a descriptor.
_NONE, _UNOPENED = -1, -2
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

    Args:
        proc: where the proc file system is.
        enhanced: False to read no more than CPU time and network traffic.
    """

    __slots__ = (
        "_children",
        "_children_file",
        "_directory",
        "_ends",
        "_enhanced",
        "_listed",
        "_net_dev",
        "_pid",
        "_proc",
        "_process",
        "_stat",
        "_tmp",
    )

    def __init__(self, proc: str = PROC, *, enhanced: bool = True) -> None:
        self._proc = proc
        self._enhanced = enhanced
        self._stat = self._net_dev = self._tmp = _UNOPENED
        # Of the runtime process to look at, 0 for none.
        self._pid = 0
        self._process = self._directory = self._children_file = _NONE
        self._children: tuple[int, ...] = ()
        # Open descriptors that had to be listed to be counted.
        self._listed: int | None = None
        self._ends = False

    def begins(self, pid: int) -> None:
        """What `usage` reads next is of the beginning of an invocation in process `pid`, or 0."""
        self.ends(pid)
        self._ends = False
        if self._process == _NONE:
            return
        children = _pread(self._children_file, _PROCESS_BYTES)
        # Without the layer this process is a child of the runtime's, but no part of it.
        own = posix.getpid()
        found = [int(child) for child in children.split() if child.isdigit()]
        self._children = tuple([child for child in found if child != own][:_MOST_CHILDREN])
        if self._enhanced and self._counted() is None:
            self._listed = descriptors(pid, self._proc)

    def ends(self, pid: int) -> None:
        """What `usage` reads next is of an end; children started since the beginning wait."""
        self._listed, self._ends = None, True
        if pid == self._pid:
            return
        for descriptor in (self._process, self._directory, self._children_file):
            if descriptor != _NONE:
                posix.close(descriptor)
        self._process = self._directory = self._children_file = _NONE
        self._pid, self._children = pid, ()
        if pid > 0:
            directory = f"{self._proc}/{pid}"
            self._process = _open(f"{directory}/stat")
            self._directory = _open(f"{directory}/fd")
            self._children_file = _open(f"{directory}/task/{pid}/children")

    def usage(self) -> Usage | None:
        """Usage now; None where nothing can be read."""
        if self._stat == _UNOPENED:
            self._stat = _open(f"{self._proc}/stat")
            self._net_dev = _open(f"{self._proc}/net/dev")
            self._tmp = _open("/tmp")
        process = _pread(self._process, _PROCESS_BYTES)
        net_dev = _pread(self._net_dev, _NET_DEV_BYTES)
        stat = b""
        # Should the process not live to the end, the environment has to answer for it.
        if self._enhanced or not self._ends or not process:
            stat = _pread(self._stat, _STAT_BYTES)
        if not stat and not net_dev and not process:
            return None
        usage = Usage(stat, net_dev, process)
        usage.has_cpu, usage.has_network = bool(stat), bool(net_dev)
        if process:
            usage.process_cpu_ns = self._cpu_ns()
        if self._enhanced:
            usage.descriptors = self._counted() or self._listed
            try:
                usage.tmp = posix.fstatvfs(self._tmp)
            except OSError:
                return usage
        return usage

    def _cpu_ns(self) -> int | None:
        """CPU time of the process, and of children that ran when the invocation began."""
        try:
            total_ns = _clock_ns(self._pid)
        except OSError:
            return None
        for child in self._children:
            try:
                total_ns += _clock_ns(child)
            except OSError:
                continue
        return total_ns

    def _counted(self) -> int | None:
        try:
            # The number since Linux 6.2, 0 before; to list them would keep END waiting.
            return posix.fstat(self._directory).st_size or None
        except OSError:
            return None


def _open(path: str) -> int:
    try:
        return posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return _NONE


def _pread(descriptor: int, most_bytes: int) -> bytes:
    """What a file holds, b"" where it cannot be read."""
    if descriptor == _NONE:
        return b""
    try:
        return posix.pread(descriptor, most_bytes, 0)
    except OSError:
        return b""


def _clock_ns(pid: int) -> int:
    # As clock_getcpuclockid(3) makes it, which Python has for threads only: to the nanosecond where
    # /proc counts in hundredths of a second, longer than many an invocation takes.
    return clock_gettime_ns(~pid << 3 | 2)


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
