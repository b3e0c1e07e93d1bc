"""Processes and their descendants, as /proc lists them."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal


@dataclass(frozen=True)
class Descendant:
    """A descendant; the start time distinguishes it from a later process with the same id."""

    pid: int
    start_time_ticks: int

    def signal(self, number: signal.Signals) -> None:
        """Send `number` unless the process has ended."""
        stat = _stat(self.pid)
        if stat is not None and stat[1] == self.start_time_ticks:
            send_signal(self.pid, number)


def descendants(pid: int) -> list[Descendant]:
    """Descendants of `pid` in any session; none where there is no /proc."""
    children: dict[int, list[Descendant]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        stat = _stat(int(entry)) if entry.isdigit() else None
        if stat is not None:
            parent_pid, start_time_ticks = stat
            child = Descendant(int(entry), start_time_ticks)
            children.setdefault(parent_pid, []).append(child)
    found: list[Descendant] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += [child.pid for child in below]
    return found


def _stat(pid: int) -> tuple[int, int] | None:
    """(parent's process id, start time in clock ticks), or None if there is no such process.

    The second field, the command in parentheses, may hold anything; fields 4 and 22 are the
    second and the twentieth after it (proc_pid_stat(5)).
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[19])


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal a process if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def peak_memory_kb(pid: int) -> int:
    """Peak resident memory of a process in KiB; 0 where /proc has no such process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(("VmHWM:", "VmRSS:")):  # VmHWM comes first where the kernel has it
                return int(line.split()[1])
    return 0
