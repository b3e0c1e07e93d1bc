"""What the execution environment and the runtime's process had used at one moment. Pure.

`proc_stats` reads the text at the end of an invocation; it is parsed when a flush asks.
https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import statvfs_result

# USER_HZ is 100 in what every Linux that Lambda runs tells its programs.
_TICKS_PER_S = 100
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
    """One process, of /proc/PID/stat; times with those of the children it has waited for.

    A process id that is used again has another `started`, in ticks since the kernel's start.
    """

    __slots__ = ("pid", "resident_bytes", "started", "system_s", "threads", "user_s", "waited_s")

    def __init__(self, text: bytes, page_bytes: int) -> None:
        """Raises ValueError, IndexError."""
        # The name before it, in brackets, may hold anything.
        columns = text[text.rindex(b")") + 2 :].split()
        user, system, waited_user, waited_system = (int(column) for column in columns[11:15])
        self.user_s = (user + waited_user) / _TICKS_PER_S
        self.system_s = (system + waited_system) / _TICKS_PER_S
        self.waited_s = (waited_user + waited_system) / _TICKS_PER_S
        self.pid = int(text[: text.index(b" ")])
        self.started = int(columns[19])
        self.threads = int(columns[17])
        self.resident_bytes = int(columns[21]) * page_bytes


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
        page_bytes: size of a page, in which the kernel counts the process's memory.
    """

    __slots__ = (
        "_page_bytes",
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

    def __init__(
        self,
        stat: bytes = b"",
        net_dev: bytes = b"",
        process: bytes = b"",
        page_bytes: int = 4096,
    ) -> None:
        self._texts = (stat, net_dev, process)
        self._page_bytes = page_bytes
        self.has_cpu = self.has_network = True
        self.process_cpu_ns: int | None = None
        self.descriptors: int | None = None
        self.tmp: statvfs_result | None = None
        if not stat and not net_dev and not process:
            self._parse()

    def __getattr__(self, name: str) -> object:
        # Called only for what is not set yet: the first figure asked for parses the text.
        if name not in _LAZY:
            raise AttributeError(name)
        self._parse()
        return object.__getattribute__(self, name)

    def _parse(self) -> None:
        stat, net_dev, process = self._texts
        # The last line may be cut off, and have wrong numbers.
        stat, net_dev = stat[: stat.rfind(b"\n") + 1], net_dev[: net_dev.rfind(b"\n") + 1]
        try:
            self.process = ProcessStat(process, self._page_bytes)
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
