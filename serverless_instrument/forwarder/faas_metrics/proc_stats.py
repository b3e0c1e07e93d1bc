"""Reads what the execution environment and the runtime's process have used so far, from /proc.

At the end of an invocation bytes are only read; `Usage` parses them when a flush asks.
https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import posix
from time import clock_gettime_ns

from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import statvfs_result

PROC = "/proc"
PAGE_BYTES = posix.sysconf("SC_PAGE_SIZE")
# The cores come first in /proc/stat, and Lambda has six at most.
_STAT_BYTES = 4096
# Lambda has a few interfaces, a laptop with containers may have dozens.
_NET_DEV_BYTES = 16384
_PROCESS_BYTES = 1024
# Children whose CPU time is read one by one.
_MOST_CHILDREN = 16
# In the place of a descriptor: the file cannot be opened, or was not yet.
_NONE, _UNOPENED = -1, -2


class UsageReader:
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
        "_reported_cpu_ns",
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
        # Valid for the next reading only: what is read later may be of a process that died.
        self._reported_cpu_ns = 0

    def prepare_start(self, pid: int, cpu_ns: int = 0) -> None:
        """Have `usage` read next at the start of an invocation in process `pid`, or 0.

        `cpu_ns` is the CPU time of the process as its frame says, 0 where it does not.
        """
        self.prepare_end(pid, cpu_ns)
        self._ends = False
        if self._process == _NONE:
            return
        children = _pread(self._children_file, _PROCESS_BYTES)
        # Without the layer the forwarder is a child of the runtime's process: it is left out.
        own = posix.getpid()
        found = [int(child) for child in children.split() if child.isdigit()]
        self._children = tuple([child for child in found if child != own][:_MOST_CHILDREN])
        if self._enhanced and self._descriptor_count() is None:
            self._listed = descriptors(pid, self._proc)

    def prepare_end(self, pid: int, cpu_ns: int = 0) -> None:
        """Have `usage` read next at the end of an invocation; its new children are left out."""
        self._reported_cpu_ns = cpu_ns
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
        # Should the process die before the end, the environment's figures replace its own.
        if self._enhanced or not self._ends or not process:
            stat = _pread(self._stat, _STAT_BYTES)
        if not stat and not net_dev and not process:
            return None
        usage = Usage(stat, net_dev, process, PAGE_BYTES)
        usage.has_cpu, usage.has_network = bool(stat), bool(net_dev)
        if process:
            usage.process_cpu_ns = self._cpu_ns()
        if self._enhanced:
            usage.descriptors = self._descriptor_count() or self._listed
            try:
                usage.tmp = posix.fstatvfs(self._tmp)
            except OSError:
                return usage
        return usage

    def _cpu_ns(self) -> int | None:
        """CPU time of the process, and of children that ran when the invocation began."""
        # What it reports is exact; this process may be scheduled long after it.
        total_ns, self._reported_cpu_ns = self._reported_cpu_ns, 0
        if not total_ns:
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

    def _descriptor_count(self) -> int | None:
        try:
            # The number since Linux 6.2, 0 before; listing them takes too long at END.
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


usage = UsageReader().usage
